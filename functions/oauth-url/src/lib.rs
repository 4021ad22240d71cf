//! The redirect URL: `GET` and `POST /elements/{keyOrId}/oauth/url`.
//!
//! Pure: no credentials, no store, no network.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambda_http::http::Method;
use lambda_http::{Body, Response};
use url::Url;
use valetkey::catalogue::Catalogue;
use valetkey::error::Error;
use valetkey::http::{self, Call, Route};
use valetkey::keys::{self, Key};
use valetkey::oauth::authorize::{self, Challenge, Request};
use valetkey::oauth::endpoint;
use valetkey::wire::OAuthUrl;

/// What this function is given.
pub struct App {
    /// The elements of this deployment.
    pub catalogue: Arc<Catalogue>,
    /// The key that code verifiers are made with, the one that `instances` has.
    pub pkce_key: Key,
}

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    Route {
        method: Method::GET,
        path: "/elements/{keyOrId}/oauth/url",
        handle: |app, call| Box::pin(async move { get(app, call) }),
    },
    Route {
        method: Method::POST,
        path: "/elements/{keyOrId}/oauth/url",
        handle: |app, call| Box::pin(async move { post(app, call) }),
    },
];

fn get(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    answer(app, call, |name| call.query(name))
}

fn post(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let mut sent = BTreeMap::new();
    for (name, value) in call.object()? {
        sent.extend(http::text(&value).filter(|text| !text.is_empty()).map(|text| (name, text)));
    }
    answer(app, call, |name| sent.get(name).map(String::as_str).or_else(|| call.query(name)))
}

fn answer<'a>(
    app: &App,
    call: &Call,
    given: impl Fn(&str) -> Option<&'a str>,
) -> Result<Response<Body>, Error> {
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    let oauth2 = element.oauth2()?;
    let key = &element.identity.key;
    let required = |name| given(name).ok_or_else(|| Error::Invalid(format!("Missing {name}")));
    let client_id = required("apiKey")?;
    let redirect_uri = callback_url(required("callbackUrl")?)?;
    let url = endpoint::fill(&oauth2.authorize.url, &oauth2.placeholders, |placeholder| {
        placeholder.query.iter().find_map(|name| given(name)).or_else(|| given("siteAddress"))
    })?;
    let pkce = match given("codeChallenge").or_else(|| given("code_challenge")) {
        Some(challenge) => Challenge::Given(challenge),
        None => Challenge::Verifier(keys::code_verifier(&app.pkce_key, key, client_id, redirect_uri)),
    };
    let state = given("state").unwrap_or(key);
    let request = Request { client_id, redirect_uri, state, scope: given("scope"), pkce };
    http::json(&OAuthUrl { oauth_url: authorize::url(oauth2, &url, &request), element: key })
}

/// Lets through an absolute `https` URL (`http` on this machine alone) without a fragment (RFC 6749
/// section 3.1.2), exactly as it was given: the vendor compares it byte for byte.
fn callback_url(given: &str) -> Result<&str, Error> {
    let refuse = |why: &str| {
        let shown: String = given.chars().take(200).collect();
        Error::Invalid(format!("callbackUrl must {why}: {shown:?}"))
    };
    if given.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(refuse("hold no white space, control character or backslash"));
    }
    // The authority is looked at as it is written: parsers forgive what others read differently.
    let lower = given.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let url = Url::parse(given).map_err(|_| refuse("be an absolute URL"))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if !(scheme == "https" || scheme == "http" && loopback) {
        return Err(refuse("begin with https:// (http:// only on localhost)"));
    }
    if authority.is_empty() || authority.contains('@') {
        return Err(refuse("name a host, without a user name or password"));
    }
    if given.contains('#') {
        return Err(refuse("have no fragment"));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_urls_are_checked_and_left_as_they_are() {
        for url in [
            "https://www.mycoolapp.com/auth",
            "https://app.example/cb?a=b%20c",
            "http://127.0.0.1:9000/x",
            "http://localhost/cb",
            "http://[::1]:1/",
            "HTTPS://App.example/",
        ] {
            assert_eq!(callback_url(url).unwrap(), url);
        }
        for url in [
            "",
            "/relative",
            "//evil.com",
            "javascript:alert(1)",
            "http://app.example/",
            "http://127.0.0.1.evil.com/",
            "https://app.example/#frag",
            "https://user:pw@app.example/",
            "https:app.example",
            "https:/evil.com?x=://",
            "https:evil.com/?://",
            "https:///evil.com",
            "https://@evil.com/",
            "https://app.example/\r\nx",
            "https://app.example/\tx",
            "https:\\\\app.example",
            "https;//mycoolapp.com",
        ] {
            assert!(callback_url(url).is_err(), "{url:?}");
        }
    }
}
