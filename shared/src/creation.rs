//! From a code to a living instance, so that no death of the process leaves half of one.
//!
//! 1. A pending record, invisible, names the secret that is about to be and the version it will have.
//! 2. The code is exchanged.
//! 3. The tokens go to the vault.
//! 4. The record becomes live.
//!
//! A death between two of these leaves the pending record, which nobody sees. It names the secret and,
//! as `lease_owner`, the version that was about to be written, so that what is left can be told: after 1
//! and 2 nothing is in the vault, and a grant may be lost; after 3 the vault has the whole grant. The caller
//! never got an answer, so an hour later the sweep has it undone (`removal::undo`). An import whose old refresh
//! token is spent is adopted, and so is what was begun by a link.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::json;

use crate::app::App;
use crate::clock::Stopwatch;
use crate::configuration::{self, CLIENT_ID, Given};
use crate::element::Element;
use crate::error::{Error, StoreError};
use crate::grant::{Grant, Tokens};
use crate::instance::{self, Instance, State};
use crate::keys;
use crate::patience::{COMMIT_BY, STORE_BY, insist};
use crate::random;
use crate::redeem::{self, Proof, redeem};
use crate::registry::{self, Change, Condition, Written};
use crate::removal;
use crate::schedule::scheduled;
use crate::telemetry;
use crate::vault::PutError;

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
    /// What the grant is made of.
    pub proof: Proof,
    /// What the vendor's callback carried besides the code, by configuration key.
    pub told: BTreeMap<String, String>,
    /// The app whose client the code was given to; `None`: the configuration has the client's key and secret.
    pub app: Option<String>,
    /// The link that was opened, if it was one.
    pub link: Option<String>,
}

/// Makes an instance, for a request that came when `watch` was started.
pub async fn create(app: &App, user: u64, draft: Draft<'_>, watch: Stopwatch) -> Result<Instance, Error> {
    let Draft { element, name, tags, configuration, proof, told, app: client, link } = draft;
    let mut split = configuration::split(element, configuration)?;
    if client.is_some() {
        split.mask_client();
    }
    let pending = Instance {
        id: app.registry.next("instance").await?,
        user,
        state: State::Pending,
        element: element.identity.key.clone(),
        element_id: element.identity.id,
        name,
        tags,
        configuration: split.open.clone(),
        imported: !matches!(proof, Proof::Code(..)),
        client: split.secrets.get(CLIENT_ID).map(|id| keys::fingerprint(id.expose_secret())),
        app: client,
        link,
        edits: 0,
        versions_until: None,
        created: app.clock.now(),
        valid: true,
        disabled: false,
        salt: random::id(),
        token_key: app.token_keys.current(),
        secret: random::id(),
        lease_owner: Some(random::id()),
        lease_until: None,
        predecessors: Vec::new(),
        committed: Vec::new(),
        version: None,
        generation: 0,
        access_issued: None,
        access_expires: None,
        refresh_expires: None,
        refreshable: false,
        in_doubt: None,
        not_before: None,
        warned: None,
        due: None,
    };
    register(app, &pending).await?;
    let granted = match redeem(app, element, &split, pending.app.as_deref(), &proof, watch).await {
        Ok(granted) => granted,
        Err(error) => return Err(give_up(app, &pending, error).await),
    };
    let live = Instance {
        state: State::Live,
        version: pending.lease_owner.clone(),
        generation: 1,
        configuration: redeem::told(split.open.clone(), &granted, &told),
        ..pending
    };
    let open = configuration::changed(&split.open, live.configuration.clone());
    let ours = proof.makes_a_new_grant(&granted.tokens);
    let grant = Grant { generation: 1, tokens: granted.tokens, secrets: split.secrets, open, ours };
    store(app, &live, &grant, watch).await?;
    commit(app, live, &grant.tokens, watch).await
}

async fn register(app: &App, pending: &Instance) -> Result<(), Error> {
    let key = instance::key(pending.user, pending.id);
    let mut item = registry::to_item(pending)?;
    scheduled(app, Change::default(), pending).apply(&mut item);
    let written = app.registry.insert(&key, item).await?;
    match written.proven_by("secret", &pending.secret) {
        Written::Done(_) => Ok(()),
        Written::Refused(_) => {
            Err(Error::Internal(format!("the instance id {} was given twice", pending.id)))
        }
    }
}

/// Forgets the pending record of an exchange that certainly granted nothing. Of any other it stays, so
/// that a grant that may have been lost is reported; it says that the vendor did not answer.
async fn give_up(app: &App, pending: &Instance, error: Error) -> Error {
    let key = instance::key(pending.user, pending.id);
    if error.granted_nothing() {
        let conditions = vec![Condition::Equals("state", json!(State::Pending))];
        if let Err(failure) = app.registry.remove(&key, conditions).await {
            tracing::warn!(instance = pending.id, %failure, "a pending instance was not removed");
        }
    } else {
        telemetry::in_doubt(pending, "the exchange of a code");
        let doubt = Change::when("state", json!(State::Pending)).set("in_doubt", app.clock.now());
        if let Err(failure) = app.registry.update(&key, doubt).await {
            tracing::warn!(instance = pending.id, %failure, "a pending instance was not marked as in doubt");
        }
    }
    error
}

/// Puts the grant into the vault. When that cannot be done and the grant is ours, it is revoked, as far as
/// it can be: nobody could ever use or end it.
async fn store(app: &App, live: &Instance, grant: &Grant, watch: Stopwatch) -> Result<(), Error> {
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
    let error = Error::Unkept(cause);
    telemetry::unkept(live, &error);
    // What the sweep would complete, should it be there after all, has to be alive then.
    let completed = live.imported || live.link.is_some();
    if grant.ours
        && !completed
        && let Err(cause) = removal::revoke_grant(app, live, grant).await
    {
        telemetry::unrevoked(live, &cause);
    }
    Err(error)
}

/// Completes a creation that did not end and must not be undone: an import whose vendor has rotated the refresh
/// token that was brought along, and what a visitor of a link has consented to.
pub(crate) async fn adopt(app: &App, pending: Instance, grant: &Grant) -> Result<Instance, Error> {
    let (version, state) = (pending.lease_owner.clone(), State::Live);
    let mut live = Instance { state, version, generation: grant.generation, ..pending };
    live.configuration.extend(grant.open.clone());
    commit(app, live, &grant.tokens, Stopwatch::start()).await
}

async fn commit(app: &App, live: Instance, tokens: &Tokens, watch: Stopwatch) -> Result<Instance, Error> {
    let owner = live.lease_owner.clone().unwrap_or_default();
    let change = Change::when("state", json!(State::Pending))
        .and(Condition::Equals("lease_owner", owner.clone().into()))
        .set("state", json!(State::Live))
        .set("version", owner.clone())
        .set("generation", live.generation)
        .set("configuration", json!(live.configuration))
        .remove("lease_owner");
    let change = scheduled(app, instance::issued(change, tokens), &live);
    let key = instance::key(live.user, live.id);
    let update = || app.registry.update(&key, change.clone());
    let written = insist(watch, COMMIT_BY, update).await.map_err(|cause| {
        let error = Error::Unkept(cause);
        telemetry::unkept(&live, &error);
        error
    })?;
    match written.proven_by("version", &owner) {
        Written::Done(item) => {
            telemetry::created(&live);
            Ok(registry::from_item(item)?)
        }
        Written::Refused(_) => {
            Err(Error::Unkept(StoreError::Damaged(format!("the pending instance {} is gone", live.id))))
        }
    }
}
