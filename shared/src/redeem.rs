//! From what a caller brings, a code or the tokens of an existing grant, to a grant of our own.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::app::App;
use crate::client::{Pair, Whose};
use crate::clock::{Stopwatch, Timestamp};
use crate::configuration::{self, Given, Split};
use crate::element::{Element, OAuth2, Pkce};
use crate::error::{Error, StoreError};
use crate::grant::Tokens;
use crate::keys;
use crate::oauth::answer::Granted;
use crate::oauth::endpoint;
use crate::oauth::exchange::{Code, exchange};
use crate::oauth::refresh::refresh;
use crate::patience::SPEND_BY;
use crate::telemetry::asked;

/// What a grant is made of. It holds secrets and is not to be printed.
pub enum Proof {
    /// An authorization code, with its code verifier when the caller keeps that.
    Code(SecretString, Option<SecretString>),
    /// The refresh token of an existing grant.
    RefreshToken(SecretString),
    /// The access token of an existing grant that cannot be refreshed.
    AccessToken(SecretString),
}

impl Proof {
    /// Tells whether what came of it is known to nobody else: not when a grant was brought along and the
    /// vendor kept its refresh token.
    pub(crate) fn makes_a_new_grant(&self, tokens: &Tokens) -> bool {
        match (self, &tokens.refresh_token) {
            (Self::Code(..), _) => true,
            (Self::RefreshToken(old), Some(new)) => old.expose_secret() != new.expose_secret(),
            _ => false,
        }
    }
}

/// Tells whether a request may still spend a code: what the vendor gives must be kept before it ends.
pub fn may_spend(watch: Stopwatch) -> bool {
    watch.is_before(SPEND_BY)
}

/// Makes a grant. Of a request that has been slow so far nothing is spent: what the vendor gives must be
/// kept before the request ends.
pub(crate) async fn redeem(
    app: &App,
    element: &Element,
    split: &Split,
    client: Option<&str>,
    proof: &Proof,
    watch: Stopwatch,
) -> Result<Granted, Error> {
    let whose = Whose { app: client, secrets: &split.secrets };
    let pair = whose.pair(app).await?;
    let error = match ask(app, element, split, &pair, proof, watch).await {
        Err(Error::Vendor(error)) => error,
        outcome => return outcome,
    };
    match whose.instead(app, &pair, &error).await {
        Some(pair) => ask(app, element, split, &pair, proof, watch).await,
        None => Err(error.into()),
    }
}

async fn ask(
    app: &App,
    element: &Element,
    split: &Split,
    pair: &Pair,
    proof: &Proof,
    watch: Stopwatch,
) -> Result<Granted, Error> {
    if !may_spend(watch) {
        return Err(StoreError::Unavailable("it was too slow to spend the code".into()).into());
    }
    let oauth2 = element.oauth2()?;
    let client = pair.client();
    match proof {
        Proof::Code(code, verifier) => {
            let url = endpoint::of_instance(&oauth2.token.url, &oauth2.placeholders, &split.open)?;
            let redirect_uri = configuration::text(&split.open, configuration::REDIRECT_URI);
            let code_verifier = verifier_of(app, element, oauth2, client.id, redirect_uri, verifier.as_ref());
            let code = Code { code, redirect_uri, code_verifier: code_verifier.as_ref(), client };
            let exchanging = async { Ok(exchange(&app.sender, oauth2, &url, &code, &app.clock).await?) };
            asked(element, "exchange", exchanging).await
        }
        Proof::RefreshToken(token) => {
            let how = oauth2.refresh.as_ref().ok_or_else(|| {
                Error::Invalid(format!(
                    "{} has no refresh tokens: send oauth.user.token",
                    element.identity.name
                ))
            })?;
            let url = endpoint::of_instance(&how.endpoint.url, &oauth2.placeholders, &split.open)?;
            let refreshing =
                async { Ok(refresh(&app.sender, oauth2, how, &url, token, client, &app.clock).await?) };
            asked(element, "refresh", refreshing).await
        }
        Proof::AccessToken(token) => Ok(brought(token, oauth2, app.clock.now())),
    }
}

fn verifier_of(
    app: &App,
    element: &Element,
    oauth2: &OAuth2,
    client_id: &str,
    redirect_uri: &str,
    given: Option<&SecretString>,
) -> Option<SecretString> {
    let key = &element.identity.key;
    let ours = || keys::code_verifier(&app.pkce_key, key, client_id, redirect_uri).into();
    (oauth2.authorize.pkce == Pkce::S256).then(|| given.cloned().unwrap_or_else(ours))
}

/// An access token that a caller brought: when it was issued is not known, so it lives as long as the
/// vendor's usually do from now on.
fn brought(token: &SecretString, oauth2: &OAuth2, now: Timestamp) -> Granted {
    let lifetime = oauth2.answer.default_lifetime.and_then(|seconds| Timestamp::try_from(seconds).ok());
    let tokens = Tokens {
        access_token: token.clone(),
        token_type: "bearer".into(),
        issued: now,
        expires: lifetime.map(|seconds| now + seconds),
        refresh_token: None,
        refresh_expires: None,
        scope: None,
    };
    Granted { tokens, told: BTreeMap::new() }
}

/// Adds what the vendor told, in its answer and in its callback, to the configuration that clients read.
pub(crate) fn told(mut open: Given, granted: &Granted, callback: &BTreeMap<String, String>) -> Given {
    let tokens = &granted.tokens;
    let pairs = granted.told.iter().chain(callback);
    open.extend(pairs.map(|(key, value)| (key.clone(), Some(value.clone()))));
    if let Some(expires) = tokens.expires {
        let seconds: Timestamp = expires - tokens.issued;
        let interval = open.entry(configuration::REFRESH_INTERVAL.into()).or_default();
        interval.get_or_insert_with(|| seconds.to_string());
    }
    open.insert(configuration::REFRESH_TIME.into(), Some((tokens.issued * 1_000).to_string()));
    open
}
