//! The redirect URL: `GET` and `POST /elements/{keyOrId}/oauth/url`.
//!
//! Pure: no credentials, no store, no network.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambda_http::{Body, Response};
use valetkey::catalogue::Catalogue;
use valetkey::clean;
use valetkey::error::Error;
use valetkey::http::{self, Call, Route};
use valetkey::keys::{self, Key};
use valetkey::oauth::authorize::{self, Challenge, Request};
use valetkey::oauth::endpoint;
use valetkey::route;
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
    route!(pure GET "/elements/{keyOrId}/oauth/url", get),
    route!(pure POST "/elements/{keyOrId}/oauth/url", post),
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
    let redirect_uri = clean::redirect_uri("callbackUrl", required("callbackUrl")?)?;
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
