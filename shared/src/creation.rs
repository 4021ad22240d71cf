//! From a code to a living instance, so that no death of the process leaves half of one.
//!
//! 1. A pending record, invisible, names the secret that is about to be and the version it will have.
//! 2. The code is exchanged.
//! 3. The tokens go to the vault.
//! 4. The record becomes live.
//!
//! A death between two of these leaves the pending record, which nobody sees. It names the secret and,
//! as `lease_owner`, the version that was about to be written, so that what is left can be told: after 1
//! and 2 nothing is in the vault, and a grant may be lost; after 3 the vault has the whole grant.

use std::future::Future;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use crate::app::App;
use crate::clock::{Stopwatch, Timestamp};
use crate::configuration::{self, Given, Split};
use crate::element::{Element, OAuth2, Pkce};
use crate::error::{Error, StoreError};
use crate::grant::{Grant, Tokens};
use crate::instance::{self, Instance, State};
use crate::keys;
use crate::oauth::endpoint;
use crate::oauth::exchange::{Code, exchange};
use crate::random;
use crate::registry::{self, Change, Condition, Written};
use crate::removal;
use crate::telemetry::asked;
use crate::user::User;
use crate::vault::PutError;

// A request has 28 s. The vendor may take 10 s of them and a write to a store, with what the store
// repeats by itself, 5 s. So that what the vendor gave can be kept:

/// How often a write is tried once the code is spent.
const ATTEMPTS: usize = 3;
/// The code is not spent after this, since the request came.
const EXCHANGE_BY: Duration = Duration::from_secs(7);
/// The last attempt to put the grant into the vault begins before this.
const STORE_BY: Duration = Duration::from_secs(17);
/// The last attempt to complete the record begins before this.
const COMMIT_BY: Duration = Duration::from_secs(22);

/// An instance to be made. It holds secrets and is not to be printed.
pub struct Draft<'a> {
    /// The element.
    pub element: &'a Element,
    /// The name, cleaned.
    pub name: String,
    /// The tags, cleaned.
    pub tags: Vec<String>,
    /// The configuration, complete.
    pub configuration: Given,
    /// The authorization code.
    pub code: SecretString,
    /// The code verifier, when the caller keeps it.
    pub code_verifier: Option<SecretString>,
}

/// Makes an instance of a code, for a request that came when `watch` was started.
pub async fn create(app: &App, user: &User, draft: Draft<'_>, watch: Stopwatch) -> Result<Instance, Error> {
    let oauth2 = draft.element.oauth2()?;
    let verifier = verifier(app, oauth2, &draft);
    let Draft { element, name, tags, configuration, code, .. } = draft;
    let split = configuration::split(element, configuration)?;
    let url = endpoint::of_instance(&oauth2.token.url, &oauth2.placeholders, &split.open)?;
    let pending = Instance {
        id: app.registry.next("instance").await?,
        user: user.id,
        state: State::Pending,
        element: element.identity.key.clone(),
        element_id: element.identity.id,
        name,
        tags,
        configuration: split.open.clone(),
        created: app.clock.now(),
        valid: true,
        disabled: false,
        salt: random::id(),
        token_key: app.token_keys.current(),
        secret: random::id(),
        lease_owner: Some(random::id()),
        version: None,
        generation: 0,
        access_expires: None,
    };
    register(app, &pending).await?;
    let redeeming = async {
        if !watch.is_before(EXCHANGE_BY) {
            return Err(StoreError::Unavailable("it was too slow to spend the code".into()).into());
        }
        redeem(app, oauth2, &url, &split, &code, verifier.as_ref()).await
    };
    let tokens = match asked(element, "exchange", redeeming).await {
        Ok(tokens) => tokens,
        Err(error) => return Err(give_up(app, &pending, error).await),
    };
    let live = Instance {
        state: State::Live,
        version: pending.lease_owner.clone(),
        generation: 1,
        access_expires: tokens.expires,
        configuration: told(split.open, &tokens),
        ..pending
    };
    store(app, &live, Grant { generation: 1, tokens, secrets: split.secrets }, watch).await?;
    commit(app, live, watch).await
}

fn verifier(app: &App, oauth2: &OAuth2, draft: &Draft<'_>) -> Option<SecretString> {
    let given = |key: &str| draft.configuration.get(key)?.as_deref();
    let ours = || {
        let client_id = given(configuration::CLIENT_ID).unwrap_or_default();
        let redirect_uri = given(configuration::REDIRECT_URI).unwrap_or_default();
        keys::code_verifier(&app.pkce_key, &draft.element.identity.key, client_id, redirect_uri).into()
    };
    (oauth2.authorize.pkce == Pkce::S256).then(|| draft.code_verifier.clone().unwrap_or_else(ours))
}

async fn register(app: &App, pending: &Instance) -> Result<(), Error> {
    let key = instance::key(pending.user, pending.id);
    let written = app.registry.insert(&key, registry::to_item(pending)?).await?;
    match written.proven_by("secret", &pending.secret) {
        Written::Done(_) => Ok(()),
        Written::Refused(_) => {
            Err(Error::Internal(format!("the instance id {} was given twice", pending.id)))
        }
    }
}

async fn redeem(
    app: &App,
    oauth2: &OAuth2,
    url: &str,
    split: &Split,
    code: &SecretString,
    code_verifier: Option<&SecretString>,
) -> Result<Tokens, Error> {
    let redirect_uri = split.open.get(configuration::REDIRECT_URI).and_then(Option::as_deref);
    let client = configuration::client(&split.secrets)?;
    let code = Code { code, redirect_uri: redirect_uri.unwrap_or_default(), code_verifier, client };
    Ok(exchange(&app.sender, oauth2, url, &code, &app.clock).await?)
}

/// Forgets the pending record of an exchange that certainly granted nothing. Of any other it stays, so
/// that a grant that may have been lost is reported.
async fn give_up(app: &App, pending: &Instance, error: Error) -> Error {
    let granted_nothing = match &error {
        Error::Vendor(cause) => cause.granted_nothing(),
        _ => true,
    };
    if granted_nothing {
        let conditions = vec![Condition::Equals("state", json!(State::Pending))];
        let removed = app.registry.remove(&instance::key(pending.user, pending.id), conditions).await;
        if let Err(failure) = removed {
            tracing::warn!(instance = pending.id, %failure, "a pending instance was not removed");
        }
    } else {
        tracing::error!(
            count.GrantInDoubt = 1,
            element = pending.element,
            instance = pending.id,
            cause = ?error,
            "a grant may be lost"
        );
    }
    error
}

/// Adds what the exchange told to the configuration that clients read.
fn told(mut open: Given, tokens: &Tokens) -> Given {
    if let Some(expires) = tokens.expires {
        let seconds: Timestamp = expires - tokens.issued;
        let interval = open.entry(configuration::REFRESH_INTERVAL.into()).or_default();
        interval.get_or_insert_with(|| seconds.to_string());
    }
    open.insert(configuration::REFRESH_TIME.into(), Some((tokens.issued * 1_000).to_string()));
    open
}

/// Puts the grant into the vault. When that cannot be done the grant is revoked, as far as it can be:
/// nobody could ever use or end it.
async fn store(app: &App, live: &Instance, grant: Grant, watch: Stopwatch) -> Result<(), Error> {
    let text = grant.to_text().map_err(|error| Error::Internal(error.to_string()))?;
    let version = live.version.as_deref().unwrap_or_default();
    let stored = insist(watch, STORE_BY, || async {
        match app.vault.create(&live.secret, version, &text).await {
            Ok(()) => Ok(()),
            Err(PutError::Store(cause)) => Err(cause),
            Err(cause) => Err(StoreError::Damaged(cause.to_string())),
        }
    });
    let Err(cause) = stored.await else { return Ok(()) };
    tracing::error!(
        count.GrantLost = 1,
        element = live.element,
        instance = live.id,
        ?cause,
        "a grant is lost: the vault did not keep it"
    );
    if let Err(cause) = removal::revoke_grant(app, live, &grant).await {
        tracing::warn!(instance = live.id, ?cause, "the lost grant was not revoked at the vendor");
    }
    Err(Error::Unkept(cause))
}

async fn commit(app: &App, live: Instance, watch: Stopwatch) -> Result<Instance, Error> {
    let owner = live.lease_owner.clone().unwrap_or_default();
    let change = Change::when("state", json!(State::Pending))
        .and(Condition::Equals("lease_owner", owner.clone().into()))
        .set("state", json!(State::Live))
        .set("version", owner.clone())
        .set("generation", live.generation)
        .set("configuration", json!(live.configuration))
        .remove("lease_owner");
    let change = match live.access_expires {
        Some(expires) => change.set("access_expires", expires),
        None => change,
    };
    let key = instance::key(live.user, live.id);
    let update = || app.registry.update(&key, change.clone());
    let written = insist(watch, COMMIT_BY, update).await.map_err(|cause| {
        tracing::error!(
            count.GrantLost = 1,
            element = live.element,
            instance = live.id,
            ?cause,
            "an instance was not completed; its grant is in the vault"
        );
        Error::Unkept(cause)
    })?;
    match written.proven_by("version", &owner) {
        Written::Done(item) => Ok(registry::from_item(item)?),
        Written::Refused(_) => {
            Err(Error::Unkept(StoreError::Damaged(format!("the pending instance {} is gone", live.id))))
        }
    }
}

/// Repeats what must not be given up at the first failure, since the code is spent, as long as the
/// request has time. Stores wait and repeat by themselves before they say that they are out of reach.
async fn insist<T, F>(
    watch: Stopwatch,
    limit: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(StoreError::Unavailable(cause)) if watch.is_before(limit) => {
                tracing::warn!(cause, "a write is repeated");
            }
            outcome => return outcome,
        }
    }
    attempt().await
}
