//! From what a caller brings, a code or the tokens of an existing grant, to a grant of our own.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vendors::client::exchange::{Code, exchange};
use vendors::client::refresh::refresh;
use vendors::descriptor::{Element, OAuth2, Pkce};
use vendors::tenant;

use crate::Broker;
use crate::client::CredentialSource;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::events::asked;
use crate::id::AppId;
use crate::record::app::ClientCredentials;
use crate::record::grant::{Granted, Tokens};
use crate::record::settings::{self, Given, Split};
use crate::seal::verifier;
use crate::store::StoreError;
use crate::store::retry::SPEND_BY;

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
    broker: &Broker,
    element: &Element,
    split: &Split,
    client: Option<&AppId>,
    proof: &Proof,
    watch: Stopwatch,
) -> Result<Granted, Error> {
    let whose = CredentialSource { app: client, secrets: &split.secrets };
    let pair = whose.pair(broker).await?;
    let error = match ask(broker, element, split, &pair, proof, watch).await {
        Err(Error::Vendor(error)) => error,
        outcome => return outcome,
    };
    match whose.instead(broker, &pair, &error).await {
        Some(pair) => ask(broker, element, split, &pair, proof, watch).await,
        None => Err(error.into()),
    }
}

async fn ask(
    broker: &Broker,
    element: &Element,
    split: &Split,
    pair: &ClientCredentials,
    proof: &Proof,
    watch: Stopwatch,
) -> Result<Granted, Error> {
    if !may_spend(watch) {
        return Err(StoreError::Unavailable("it was too slow to spend the code".into()).into());
    }
    let oauth2 = element.oauth2()?;
    let client = pair.client();
    let granted = |answer| Granted::at(broker.clock.now(), answer);
    match proof {
        Proof::Code(code, verifier) => {
            let url = tenant::of_instance(&oauth2.token.url, &oauth2.placeholders, &split.open)?;
            let redirect_uri = settings::value(&split.open, settings::REDIRECT_URI);
            let code_verifier =
                verifier_of(broker, element, oauth2, client.id, redirect_uri, verifier.as_ref());
            let code = Code { code, redirect_uri, code_verifier: code_verifier.as_ref(), client };
            let exchanging = async { Ok(exchange(&broker.sender, oauth2, &url, &code).await?) };
            asked(element, "exchange", exchanging).await.map(granted)
        }
        Proof::RefreshToken(token) => {
            let how = oauth2.refresh.as_ref().ok_or_else(|| {
                Error::Invalid(format!(
                    "{} has no refresh tokens: send oauth.user.token",
                    element.identity.name
                ))
            })?;
            let url = tenant::of_instance(&how.endpoint.url, &oauth2.placeholders, &split.open)?;
            let refreshing = async { Ok(refresh(&broker.sender, oauth2, how, &url, token, client).await?) };
            asked(element, "refresh", refreshing).await.map(granted)
        }
        Proof::AccessToken(token) => Ok(brought(token, oauth2, broker.clock.now())),
    }
}

fn verifier_of(
    broker: &Broker,
    element: &Element,
    oauth2: &OAuth2,
    client_id: &str,
    redirect_uri: &str,
    given: Option<&SecretString>,
) -> Option<SecretString> {
    let key = &element.identity.key;
    let ours = || verifier::code_verifier(&broker.pkce_key, key, client_id, redirect_uri).into();
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
    Granted { tokens, extra: BTreeMap::new() }
}

/// Adds what the vendor told, in its answer and in its callback, to the configuration that clients read.
pub(crate) fn told(mut open: Given, granted: &Granted, callback: &BTreeMap<String, String>) -> Given {
    let tokens = &granted.tokens;
    let pairs = granted.extra.iter().chain(callback);
    open.extend(pairs.map(|(key, value)| (key.clone(), Some(value.clone()))));
    if let Some(expires) = tokens.expires {
        let seconds: Timestamp = expires - tokens.issued;
        let interval = open.entry(settings::REFRESH_INTERVAL.into()).or_default();
        interval.get_or_insert_with(|| seconds.to_string());
    }
    open.insert(settings::REFRESH_TIME.into(), Some((tokens.issued * 1_000).to_string()));
    open
}
