//! The redirect URL: `GET` and `POST /elements/{keyOrId}/oauth/url`.
//!
//! Pure: no credentials, no store, no network.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::Error;
use broker::seal::key::Key;
use broker::seal::verifier::code_verifier;
use payloads::lenient;
use payloads::oauth_url::OAuthUrl;
use vendors::authorize::{self, Challenge, Request};
use vendors::catalogue::Catalogue;
use vendors::tenant;
use web::clean;
use web::route;
use web::{Answer, Call, Route, answer};

/// What this function is given.
pub struct State {
    /// The elements of this deployment.
    pub catalogue: Arc<Catalogue>,
    /// The key that code verifiers are made with, the one that `instances` has.
    pub pkce_key: Key,
}

/// The routes that this function answers.
pub const ROUTES: &[Route<State>] = &[
    route!(pure GET "/elements/{keyOrId}/oauth/url", get),
    route!(pure POST "/elements/{keyOrId}/oauth/url", post),
];

fn get(app: &State, call: &Call) -> Answer {
    answer(app, call, |name| call.query(name))
}

fn post(app: &State, call: &Call) -> Answer {
    let mut sent = BTreeMap::new();
    for (name, value) in call.object()? {
        let text = if name == "scope" { clean::scope(Some(&value))? } else { lenient::text(&value) };
        sent.extend(text.filter(|text| !text.is_empty()).map(|text| (name, text)));
    }
    answer(app, call, |name| sent.get(name).map(String::as_str).or_else(|| call.query(name)))
}

fn answer<'a>(app: &State, call: &Call, given: impl Fn(&str) -> Option<&'a str>) -> Answer {
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    let oauth2 = element.oauth2()?;
    let key = &element.identity.key;
    let pasted = |name: &str| given(name).map(clean::pasted).filter(|text| !text.is_empty());
    let required = |name| pasted(name).ok_or_else(|| Error::Invalid(format!("Missing {name}")));
    let client_id = clean::client_id("apiKey", required("apiKey")?)?;
    let redirect_uri = clean::redirect_uri("callbackUrl", required("callbackUrl")?)?;
    let url = tenant::fill(&oauth2.authorize.url, &oauth2.placeholders, |placeholder| {
        placeholder.query.iter().find_map(|name| pasted(name)).or_else(|| pasted("siteAddress"))
    })?;
    let pkce = match given("codeChallenge").or_else(|| given("code_challenge")) {
        Some(challenge) => {
            let method = given("codeChallengeMethod").or_else(|| given("code_challenge_method"));
            Challenge::Given(checked(challenge, method)?)
        }
        None => Challenge::Verifier(code_verifier(&app.pkce_key, key, client_id, redirect_uri)),
    };
    let state = given("state").unwrap_or(key);
    let request = Request { client_id, redirect_uri, state, scope: given("scope"), pkce };
    answer::json(&OAuthUrl { oauth_url: authorize::url(oauth2, &url, &request), element: key.clone() })
}

/// Refuses what is no S256 code challenge (RFC 7636 section 4.2): a vendor would refuse the exchange.
fn checked<'a>(challenge: &'a str, method: Option<&str>) -> Result<&'a str, Error> {
    let is_known = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
    if !(43..=128).contains(&challenge.len()) || !challenge.bytes().all(is_known) {
        return Err(Error::Invalid(
            "codeChallenge must be the S256 challenge of a code verifier: 43 to 128 letters, digits, `-`, `.`, `_` or `~`"
                .into(),
        ));
    }
    match method {
        None | Some("S256") => Ok(challenge),
        Some(_) => Err(Error::Invalid("codeChallengeMethod must be S256".into())),
    }
}
