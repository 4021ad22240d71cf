//! From what a caller brings, a code or the tokens of an existing grant, to a grant.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vendors::client::exchange::{Code, exchange};
use vendors::client::refresh::refresh;
use vendors::descriptor::{Element, OAuth2, Pkce, Refresh};
use vendors::tenant;

use crate::Broker;
use crate::client::Settings;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::events::vendor_call;
use crate::record::app::ClientCredentials;
use crate::record::grant::LEASE;
use crate::record::settings::{self, Given};
use crate::record::tokens::{Granted, Tokens};
use crate::seal::key;
use crate::seal::verifier;
use crate::store::retry::Deadline;

/// What a grant is made of. It holds secrets and is not to be printed.
pub enum GrantSource {
    /// An authorization code, with its code verifier when the caller keeps that.
    Code(SecretString, Option<SecretString>),
    /// The refresh token of an existing grant.
    RefreshToken(SecretString),
    /// The access token of an existing grant that cannot be refreshed.
    AccessToken(SecretString),
}

impl GrantSource {
    /// Gives the code or the token, which becomes one instance.
    fn secret(&self) -> &SecretString {
        match self {
            Self::Code(secret, _) | Self::RefreshToken(secret) | Self::AccessToken(secret) => secret,
        }
    }

    /// Names its marker: the same for the same code or token of the same client.
    pub(crate) fn marker(&self, broker: &Broker, element: &Element, client: &ClientCredentials) -> String {
        let element = &element.identity.key;
        key::name(&broker.marker_key, &[element, client.key.expose_secret(), self.secret().expose_secret()])
    }

    /// Tells whether it is a code, which a vendor knows for minutes; a token may be brought again at any time.
    pub(crate) fn is_code(&self) -> bool {
        matches!(self, Self::Code(..))
    }
}

/// Tells whether somebody who began then may still ask the vendor: it must have its answer before anybody takes it for
/// dead.
pub(crate) fn in_time(broker: &Broker, since: Timestamp, deadline: Deadline) -> bool {
    /// How long a vendor's answer is waited for at most, in seconds.
    const ANSWER: Timestamp = 10;
    deadline.may_ask() && broker.clock.now() + ANSWER <= since + LEASE
}

/// Exchanges a code or a token for a grant, once, for somebody who began at `since`.
pub(crate) async fn obtain(
    broker: &Broker,
    element: &Element,
    settings: &Settings,
    source: &GrantSource,
    since: Timestamp,
    deadline: Deadline,
) -> Result<Granted, Error> {
    let whose = settings.credential_source();
    let pair = whose.pair(broker).await?;
    let ask = async |pair: &ClientCredentials| {
        if let Some(seconds) = broker.health.pause(broker.clock.now()) {
            return Err(Error::Paused(seconds));
        }
        if !in_time(broker, since, deadline) {
            return Err(Error::Incomplete(
                "The stores were too slow to ask the vendor in time; nothing was sent, try again".into(),
            ));
        }
        request(broker, element, settings, pair, source).await
    };
    let error = match ask(&pair).await {
        Err(Error::Vendor(error)) => error,
        outcome => return outcome,
    };
    match whose.reload_if_rotated(broker, &pair, &error).await {
        Some(pair) => ask(&pair).await,
        None => Err(error.into()),
    }
}

async fn request(
    broker: &Broker,
    element: &Element,
    settings: &Settings,
    pair: &ClientCredentials,
    source: &GrantSource,
) -> Result<Granted, Error> {
    let oauth2 = element.oauth2()?;
    let client = pair.client();
    let granted = |answer| granted(broker, element, answer);
    match source {
        GrantSource::Code(code, verifier) => {
            let url = tenant::of_instance(&oauth2.token.url, &oauth2.placeholders, &settings.open)?;
            let redirect_uri = settings::value(&settings.open, settings::REDIRECT_URI);
            let code_verifier =
                verifier_of(broker, element, oauth2, client.id, redirect_uri, verifier.as_ref());
            let code = Code { code, redirect_uri, code_verifier: code_verifier.as_ref(), client };
            let exchanging = async { Ok(exchange(&broker.sender, oauth2, &url, &code).await?) };
            vendor_call(element, "exchange", exchanging).await.map(granted)
        }
        GrantSource::RefreshToken(token) => {
            let how = refresh_of(element, oauth2)?;
            let url = tenant::of_instance(&how.endpoint.url, &oauth2.placeholders, &settings.open)?;
            let refreshing = async { Ok(refresh(&broker.sender, oauth2, how, &url, token, client).await?) };
            let granted = vendor_call(element, "refresh", refreshing).await.map(granted)?;
            Ok(granted.after(&Tokens::of_refresh_token(token.clone(), broker.clock.now())))
        }
        GrantSource::AccessToken(token) => Ok(brought(token, oauth2, broker.clock.now())),
    }
}

/// Takes what a vendor has answered.
pub(crate) fn granted(broker: &Broker, element: &Element, answer: vendors::tokens::Granted) -> Granted {
    let granted = Granted::at(broker.clock.now(), answer);
    if granted.is_unclear {
        tracing::warn!(element = element.identity.key, "how long the access token lives cannot be read");
    }
    granted
}

/// Finds how a vendor refreshes, for a refresh token that was brought along.
pub(crate) fn refresh_of<'a>(element: &Element, oauth2: &'a OAuth2) -> Result<&'a Refresh, Error> {
    oauth2.refresh.as_ref().ok_or_else(|| {
        Error::Invalid(format!("{} has no refresh tokens: send oauth.user.token", element.identity.name))
    })
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
    Granted { tokens, extra: BTreeMap::new(), odd: None, is_unclear: false }
}

/// Gives what the vendor said beside the tokens, in its answer and in its callback, by configuration key.
pub(crate) fn told(granted: &Granted, callback: &BTreeMap<String, String>) -> Given {
    let pairs = granted.extra.iter().chain(callback);
    pairs.map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}
