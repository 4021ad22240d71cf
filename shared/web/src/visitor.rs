//! What a visitor's browser is given: a cookie that says which browser it is, and redirects.

use broker::hosted_connect::HostedConnect;
use broker::record::session;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use lambda_http::{Body, Response};
use percent_encoding::utf8_percent_encode;
use vendors::authorize::QUERY;
use vendors::descriptor::ResponseMode;

use crate::answer::header;
use crate::call::Call;

/// Names a URL below the scheme and host that browsers reach.
pub fn public_url(connect: &HostedConnect, call: &Call, path: &str) -> Result<String, broker::Error> {
    let address = connect.address.as_ref().or(call.origin.as_ref());
    let unknown = || broker::Error::Internal("no public URL is configured".into());
    address.map(|address| format!("{address}{path}")).ok_or_else(unknown)
}

/// Names the cookie that says which browser this is. A cross-site POST carries no `SameSite=Lax` cookie, so those who
/// come back by one have a cookie of their own.
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
    header(&format!("{name}={browser}; Path=/; Max-Age={lives}; Secure; HttpOnly; SameSite={same_site}"))
}

/// Sends a browser elsewhere.
pub fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, header(location));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds parameters to a return URL, which stays as it was allowed.
pub fn append_query(return_url: &str, parameters: &[(&str, &str)]) -> String {
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
            assert_eq!(append_query(url, &[("state", "a &b"), ("id", "1")]), expected);
        }
    }

    #[test]
    fn a_cookie_is_bound_to_the_host_and_to_how_the_browser_comes_back() {
        let lax = cookie(ResponseMode::Query, "b");
        assert_eq!(lax, "__Host-valetkey=b; Path=/; Max-Age=87000; Secure; HttpOnly; SameSite=Lax");
        let post = cookie(ResponseMode::FormPost, "b");
        assert!(post.to_str().unwrap().ends_with("SameSite=None"));
    }
}
