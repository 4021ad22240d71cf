//! Hosted connect: what the functions need that send browsers to vendors and take them back.

use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use lambda_http::{Body, Response};
use percent_encoding::utf8_percent_encode;

use crate::clean;
use crate::element::{CallbackPath, OAuth2, ResponseMode};
use crate::error::Error;
use crate::http::{self, Call};
use crate::keys::{self, Key};
use crate::oauth::authorize::QUERY;
use crate::page::Look;
use crate::seal::Seal;
use crate::session;
use crate::user::User;

/// A deployment's hosted connect.
#[derive(Debug, Clone)]
pub struct Connect {
    /// What seals the ids of clients, which the vendors' addresses hold anyway.
    pub seal: Seal,
    /// What seals the secrets of links until they expire; `None` where nobody should open them.
    secrets: Option<Seal>,
    /// The key that code verifiers are made with.
    pub verifiers: Key,
    /// The scheme and host that browsers reach it at; `None`: those that a request came to.
    pub address: Option<String>,
    /// Where browsers of every user's customers may be sent back to, compared exactly.
    pub return_urls: Vec<String>,
    /// How its pages look.
    pub look: Look,
}

impl Connect {
    /// Makes a hosted connect out of the deployment's master secret for it: one that opens no secret of a link.
    pub fn new(master: &[u8], address: Option<String>, return_urls: Vec<String>, look: Look) -> Self {
        let (seal, verifiers) = (Seal::new(&Key::derive(master, "client")), Key::derive(master, "verifier"));
        Self { seal, secrets: None, verifiers, address, return_urls, look }
    }

    /// Adds what seals the secrets of links.
    #[must_use]
    pub fn with_secrets(self, secrets: Seal) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Gives what seals the secrets of links.
    pub fn secrets(&self) -> Result<&Seal, Error> {
        self.secrets.as_ref().ok_or_else(|| Error::Internal("links' secrets are not opened here".into()))
    }

    /// Names an address below the host that browsers reach.
    pub fn url(&self, call: &Call, path: &str) -> Result<String, Error> {
        let address = self.address.as_ref().or(call.origin.as_ref());
        let unknown = || Error::Internal("nobody says at which address browsers reach this".into());
        address.map(|address| format!("{address}{path}")).ok_or_else(unknown)
    }

    /// Tells whether a browser may be sent back there, with the customers of that user.
    pub fn allows(&self, user: &User, return_url: &str) -> bool {
        self.return_urls.iter().chain(&user.return_urls).any(|allowed| allowed == return_url)
    }

    /// Makes the code verifier (RFC 7636) of a session, which only whoever was sent its state can ask for.
    pub fn code_verifier(&self, state: &str) -> String {
        keys::verifier(&self.verifiers, state)
    }
}

/// Reads a list of return URLs that white space separates.
pub fn return_urls(text: &str) -> Result<Vec<String>, Error> {
    text.split_whitespace().map(|url| clean::return_url("a return URL", url).map(str::to_owned)).collect()
}

/// Names the path that an element's vendor sends browsers back to. One for each element keeps vendors apart
/// (RFC 9700 section 4.4.2.2); some vendors know one for all alone.
pub fn callback_path(oauth2: &OAuth2, element: &str) -> String {
    match oauth2.authorize.callback_path {
        CallbackPath::Element => format!("/oauth/callback/{element}"),
        CallbackPath::Shared => "/oauth/callback".into(),
    }
}

/// Names the request that a vendor's callback must be: its method and path.
pub fn callback(oauth2: &OAuth2, element: &str) -> String {
    let method = match oauth2.authorize.response_mode {
        ResponseMode::Query => "GET",
        ResponseMode::FormPost => "POST",
    };
    format!("{method} {}", callback_path(oauth2, element))
}

/// Names the cookie that says which browser this is. A cross-site POST carries no `SameSite=Lax` cookie, so
/// those who come back by one have a cookie of their own.
pub fn cookie_name(mode: ResponseMode) -> &'static str {
    match mode {
        ResponseMode::Query => "__Host-valetkey",
        ResponseMode::FormPost => "__Host-valetkey-post",
    }
}

/// Writes the cookie that says which browser this is.
pub fn cookie(mode: ResponseMode, browser: &str) -> HeaderValue {
    let same_site = match mode {
        ResponseMode::Query => "Lax",
        ResponseMode::FormPost => "None",
    };
    let (name, lives) = (cookie_name(mode), session::BROWSER_LIVES);
    http::header(&format!(
        "{name}={browser}; Path=/; Max-Age={lives}; Secure; HttpOnly; SameSite={same_site}"
    ))
}

/// Sends a browser elsewhere.
pub fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, http::header(location));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds parameters to a return URL, which stays as it was allowed.
pub fn with_parameters(return_url: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = return_url.to_owned();
    for (name, value) in parameters {
        let glue = match url.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        url = format!("{url}{glue}{name}={}", utf8_percent_encode(value, &QUERY));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_added_to_a_return_url_that_stays_as_it_is() {
        for (url, expected) in [
            ("HTTPS://App.example/a", "HTTPS://App.example/a?state=a%20%26b&id=1"),
            ("https://app.example/?", "https://app.example/?state=a%20%26b&id=1"),
            ("https://app.example/a?x=1", "https://app.example/a?x=1&state=a%20%26b&id=1"),
            ("https://app.example/a?x=1&", "https://app.example/a?x=1&state=a%20%26b&id=1"),
        ] {
            assert_eq!(with_parameters(url, &[("state", "a &b"), ("id", "1")]), expected);
        }
    }

    #[test]
    fn return_urls_are_compared_byte_for_byte() {
        let connect = Connect::new(
            b"m",
            None,
            return_urls(" https://a.example/x\nhttps://b.example/").unwrap(),
            Look::default(),
        );
        let user = User { return_urls: vec!["https://mine.example/back?a=b".into()], ..User::default() };
        for url in ["https://a.example/x", "https://b.example/", "https://mine.example/back?a=b"] {
            assert!(connect.allows(&user, url), "{url}");
        }
        for url in [
            "https://a.example/x/",
            "https://a.example/X",
            "https://b.example",
            "https://mine.example/back",
            "",
        ] {
            assert!(!connect.allows(&user, url), "{url}");
        }
        assert!(return_urls("https://a.example/x http://b.example/").is_err());
    }

    #[test]
    fn a_cookie_is_bound_to_the_host_and_to_how_the_browser_comes_back() {
        let lax = cookie(ResponseMode::Query, "b");
        assert_eq!(lax, "__Host-valetkey=b; Path=/; Max-Age=87000; Secure; HttpOnly; SameSite=Lax");
        let post = cookie(ResponseMode::FormPost, "b");
        assert!(post.to_str().unwrap().ends_with("SameSite=None"));
    }
}
