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
//! never got an answer, so an hour later the sweep has it undone (`delete::undo`). An import whose old refresh
//! token is spent is adopted, and so is what was begun by a link.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::json;
use vendors::descriptor::Element;

use crate::Broker;
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::events;
use crate::grant::obtain::{self, Proof, redeem};
use crate::grant::revoke::revoke_grant;
use crate::grant::schedule::scheduled;
use crate::id::{AppId, InstanceId, LinkId, UserId};
use crate::random;
use crate::record::grant::{Grant, Tokens};
use crate::record::instance::{self, Instance, State};
use crate::record::settings::{self, CLIENT_ID, Given};
use crate::seal::keyring;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Written};
use crate::store::retry::{COMMIT_BY, STORE_BY, insist};
use crate::store::secrets::PutError;

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
    pub app: Option<AppId>,
    /// The link that was opened, if it was one.
    pub link: Option<LinkId>,
}

/// Makes an instance, for a request that came when `watch` was started.
pub async fn create(
    broker: &Broker,
    user: UserId,
    draft: Draft<'_>,
    watch: Stopwatch,
) -> Result<Instance, Error> {
    let Draft { element, name, tags, configuration, proof, told, app: client, link } = draft;
    let mut split = settings::split(element, configuration)?;
    if client.is_some() {
        split.mask_client();
    }
    let pending = Instance {
        id: InstanceId(broker.registry.next("instance").await?),
        user,
        state: State::Pending,
        element: element.identity.key.clone(),
        element_id: element.identity.id,
        name,
        tags,
        configuration: split.open.clone(),
        imported: !matches!(proof, Proof::Code(..)),
        client: split.secrets.get(CLIENT_ID).map(|id| keyring::fingerprint(id.expose_secret())),
        app: client,
        link,
        edits: 0,
        versions_until: None,
        created: broker.clock.now(),
        valid: true,
        disabled: false,
        salt: random::id(),
        token_key: broker.token_keys.current(),
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
    register(broker, &pending).await?;
    let granted = match redeem(broker, element, &split, pending.app.as_ref(), &proof, watch).await {
        Ok(granted) => granted,
        Err(error) => return Err(give_up(broker, &pending, error).await),
    };
    let live = Instance {
        state: State::Live,
        version: pending.lease_owner.clone(),
        generation: 1,
        configuration: obtain::told(split.open.clone(), &granted, &told),
        ..pending
    };
    let open = settings::changed(&split.open, live.configuration.clone());
    let ours = proof.makes_a_new_grant(&granted.tokens);
    let grant = Grant { generation: 1, tokens: granted.tokens, secrets: split.secrets, open, ours };
    store(broker, &live, &grant, watch).await?;
    commit(broker, live, &grant.tokens, watch).await
}

async fn register(broker: &Broker, pending: &Instance) -> Result<(), Error> {
    let key = instance::key(pending.user, pending.id);
    let mut item = records::to_item(pending)?;
    scheduled(broker, Change::default(), pending).apply(&mut item);
    let written = broker.registry.insert(&key, item).await?;
    match written.proven_by("secret", &pending.secret) {
        Written::Done(_) => Ok(()),
        Written::Refused(_) => {
            Err(Error::Internal(format!("the instance id {} was given twice", pending.id)))
        }
    }
}

/// Forgets the pending record of an exchange that certainly granted nothing. Of any other it stays, so
/// that a grant that may have been lost is reported; it says that the vendor did not answer.
async fn give_up(broker: &Broker, pending: &Instance, error: Error) -> Error {
    let key = instance::key(pending.user, pending.id);
    if error.granted_nothing() {
        let conditions = vec![Condition::Equals("state", json!(State::Pending))];
        if let Err(failure) = broker.registry.remove(&key, conditions).await {
            tracing::warn!(instance = pending.id.0, %failure, "a pending instance was not removed");
        }
    } else {
        events::in_doubt(pending, "the exchange of a code");
        let doubt = Change::when("state", json!(State::Pending)).set("in_doubt", broker.clock.now());
        if let Err(failure) = broker.registry.update(&key, doubt).await {
            tracing::warn!(instance = pending.id.0, %failure, "a pending instance was not marked as in doubt");
        }
    }
    error
}

/// Puts the grant into the vault. When that cannot be done and the grant is ours, it is revoked, as far as
/// it can be: nobody could ever use or end it.
async fn store(broker: &Broker, live: &Instance, grant: &Grant, watch: Stopwatch) -> Result<(), Error> {
    let text = grant.to_text().map_err(|error| Error::Internal(error.to_string()))?;
    let version = live.version.as_deref().unwrap_or_default();
    let stored = insist(watch, STORE_BY, || async {
        match broker.vault.create(&live.secret, version, &text).await {
            Ok(()) => Ok(()),
            Err(PutError::Store(cause)) => Err(cause),
            Err(cause) => Err(StoreError::Damaged(cause.to_string())),
        }
    });
    let Err(cause) = stored.await else { return Ok(()) };
    let error = Error::Unkept(cause);
    events::unkept(live, &error);
    // What the sweep would complete, should it be there after all, has to be alive then.
    let completed = live.imported || live.link.is_some();
    if grant.ours
        && !completed
        && let Err(cause) = revoke_grant(broker, live, grant).await
    {
        events::unrevoked(live, &cause);
    }
    Err(error)
}

/// Completes a creation that did not end and must not be undone: an import whose vendor has rotated the refresh
/// token that was brought along, and what a visitor of a link has consented to.
pub(crate) async fn adopt(broker: &Broker, pending: Instance, grant: &Grant) -> Result<Instance, Error> {
    let (version, state) = (pending.lease_owner.clone(), State::Live);
    let mut live = Instance { state, version, generation: grant.generation, ..pending };
    live.configuration.extend(grant.open.clone());
    commit(broker, live, &grant.tokens, Stopwatch::start()).await
}

async fn commit(
    broker: &Broker,
    live: Instance,
    tokens: &Tokens,
    watch: Stopwatch,
) -> Result<Instance, Error> {
    let owner = live.lease_owner.clone().unwrap_or_default();
    let change = Change::when("state", json!(State::Pending))
        .and(Condition::Equals("lease_owner", owner.clone().into()))
        .set("state", json!(State::Live))
        .set("version", owner.clone())
        .set("generation", live.generation)
        .set("configuration", json!(live.configuration))
        .remove("lease_owner");
    let change = scheduled(broker, instance::issued(change, tokens), &live);
    let key = instance::key(live.user, live.id);
    let update = || broker.registry.update(&key, change.clone());
    let written = insist(watch, COMMIT_BY, update).await.map_err(|cause| {
        let error = Error::Unkept(cause);
        events::unkept(&live, &error);
        error
    })?;
    match written.proven_by("version", &owner) {
        Written::Done(item) => {
            events::created(&live);
            Ok(records::from_item(item)?)
        }
        Written::Refused(_) => {
            Err(Error::Unkept(StoreError::Damaged(format!("the pending instance {} is gone", live.id))))
        }
    }
}
