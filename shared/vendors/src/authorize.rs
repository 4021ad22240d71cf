//! The redirect URL: the authorization request of RFC 6749 section 4.1.1.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::descriptor::{OAuth2, Pkce, ResponseMode};
use crate::pkce;

/// What is left as it is in a query: the unreserved characters of RFC 3986 section 2.3.
pub const QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What one authorization request says.
pub struct Request<'a> {
    /// The client's id at the vendor.
    pub client_id: &'a str,
    /// Where the vendor sends the browser back to.
    pub redirect_uri: &'a str,
    /// The caller's own word, which comes back with the code.
    pub state: &'a str,
    /// The scope asked for, its parts apart by white space or as the vendor wants them; the vendor's default when absent or
    /// empty.
    pub scope: Option<&'a str>,
    /// The code challenge, or the verifier to make it from; sent only where the vendor takes one.
    pub pkce: Challenge<'a>,
}

/// Where a code challenge comes from.
pub enum Challenge<'a> {
    /// The caller keeps the verifier and sent its S256 challenge.
    Given(&'a str),
    /// We keep the verifier.
    Verifier(String),
}

/// Makes the redirect URL at the endpoint `url`, its parameters in the descriptor's order.
pub fn url(oauth2: &OAuth2, url: &str, request: &Request<'_>) -> String {
    let mut out = url.to_owned();
    let mut glue = if url.contains('?') { '&' } else { '?' };
    for (name, value) in ordered(oauth2, parameters(oauth2, request)) {
        let name = if name == "scope" { oauth2.authorize.scope_parameter.clone() } else { name };
        out.push(glue);
        out.extend(utf8_percent_encode(&name, &QUERY));
        out.push('=');
        out.extend(utf8_percent_encode(&value, &QUERY));
        glue = '&';
    }
    out
}

fn parameters(oauth2: &OAuth2, request: &Request<'_>) -> Vec<(String, String)> {
    let authorize = &oauth2.authorize;
    let scope = match request.scope {
        Some(scope) if !scope.trim().is_empty() => {
            scope.split_whitespace().collect::<Vec<_>>().join(&authorize.scope_separator)
        }
        _ => authorize.scopes.join(&authorize.scope_separator),
    };
    let mut parameters = vec![
        ("response_type".to_owned(), "code".to_owned()),
        ("client_id".to_owned(), request.client_id.to_owned()),
        ("redirect_uri".to_owned(), request.redirect_uri.to_owned()),
        ("state".to_owned(), request.state.to_owned()),
    ];
    if !scope.is_empty() {
        parameters.push(("scope".to_owned(), scope));
    }
    if authorize.pkce == Pkce::S256 {
        let challenge = match &request.pkce {
            Challenge::Given(challenge) => (*challenge).to_owned(),
            Challenge::Verifier(verifier) => pkce::challenge(verifier),
        };
        parameters.push(("code_challenge".to_owned(), challenge));
        parameters.push(("code_challenge_method".to_owned(), "S256".to_owned()));
    }
    if authorize.response_mode == ResponseMode::FormPost {
        parameters.push(("response_mode".to_owned(), "form_post".to_owned()));
    }
    parameters.extend(authorize.extra.clone());
    parameters
}

fn ordered(oauth2: &OAuth2, mut parameters: Vec<(String, String)>) -> Vec<(String, String)> {
    let order = &oauth2.authorize.parameters;
    let place = |name: &String| order.iter().position(|known| known == name).unwrap_or(order.len());
    parameters.sort_by_key(|(name, _)| place(name));
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn request<'a>(client_id: &'a str, redirect_uri: &'a str, state: &'a str) -> Request<'a> {
        Request { client_id, redirect_uri, state, scope: None, pkce: Challenge::Verifier("v".into()) }
    }

    #[test]
    fn the_documents_urls_come_out_byte_for_byte() {
        let catalogue = Catalogue::built_in();
        let oauth2 = catalogue.find("infusionsoftcrm").unwrap().oauth2.as_ref().unwrap();
        let make = |request| url(oauth2, &oauth2.authorize.url, &request);
        assert_eq!(
            make(request("4ynetc9z7v6vajwvkwvxvgxj", "https://httpbin.org/get", "infusionsoftcrm")),
            "https://signin.infusionsoft.com/app/oauth/authorize?scope=full&response_type=code&redirect_uri=https%3A%2F%2Fhttpbin.org%2Fget&state=infusionsoftcrm&client_id=4ynetc9z7v6vajwvkwvxvgxj"
        );
        assert_eq!(
            make(request(
                "82hiop09e7uev42hjkf82qyuc",
                "https://auth.cloudelements.io/oauth",
                "infusionsofterp"
            )),
            "https://signin.infusionsoft.com/app/oauth/authorize?scope=full&response_type=code&redirect_uri=https%3A%2F%2Fauth.cloudelements.io%2Foauth&state=infusionsofterp&client_id=82hiop09e7uev42hjkf82qyuc"
        );
    }

    #[test]
    fn a_vendor_that_takes_a_challenge_gets_one_after_the_named_parameters() {
        let catalogue = Catalogue::built_in();
        let mut oauth2 = catalogue.find("infusionsoftcrm").unwrap().oauth2.clone().unwrap();
        oauth2.authorize.pkce = Pkce::S256;
        oauth2.authorize.extra.insert("access_type".into(), "offline".into());
        let made = url(&oauth2, "https://example.com/a?x=1", &request("id", "https://a.example/", "s t"));
        assert_eq!(
            made,
            format!(
                "https://example.com/a?x=1&scope=full&response_type=code&redirect_uri=https%3A%2F%2Fa.example%2F\
                 &state=s%20t&client_id=id&code_challenge={}&code_challenge_method=S256&access_type=offline",
                pkce::challenge("v")
            )
        );
    }
}
