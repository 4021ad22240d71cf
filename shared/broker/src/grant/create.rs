//! From a code, or a token that was brought along, to a live instance, so that no death leaves half of one.
//!
//! 1. **Marker.** The code is written down, with the id that the instance will have. It is sent once; whoever sends it
//!    again gets that instance.
//! 2. **Pending.** The instance's record, which nobody sees.
//! 3. **Exchange.** A refresh token that was brought along is not exchanged: it is refreshed when its grant is there
//!    (`import`).
//! 4. **Grant.** The grant's record, with the tokens.
//! 5. **Live.** The instance can be seen.
//!
//! Whoever dies after 4 leaves a whole grant: the sweep makes the instance live, and a repeat gets it. Before 4 the sweep
//! removes what there is. A vendor that certainly has done nothing leaves the code as it was: all of it is taken back.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vendors::descriptor::Element;

use crate::Broker;
use crate::client::{CredentialSource, Settings};
use crate::error::Error;
use crate::events;
use crate::grant::consent::{free, repeated};
use crate::grant::delete::{fence, take_back};
use crate::grant::obtain::{self, GrantSource, obtain};
use crate::grant::publish::make_live;
use crate::grant::revoke::revoke_unkept;
use crate::grant::{import, rest, schedule, settle, write};
use crate::id::{AppId, InstanceId, LinkId, UserId};
use crate::random;
use crate::record::account::{self, Account};
use crate::record::grant::{self, Copy, Grant, certainly_ended};
use crate::record::instance::{Instance, State};
use crate::record::marker::{self, Marker};
use crate::record::settings::{self, Given};
use crate::record::tokens::{TokenSet, Tokens};
use crate::seal::key;
use crate::store::StoreError;
use crate::store::records::{self, Change, Written};
use crate::store::retry::Deadline;
use crate::store::secrets::TokenStore;

/// The number of the first consent, and of the first settings.
const FIRST: u64 = 1;

/// An instance to be made. It holds secrets and is not to be printed.
pub struct NewInstance<'a> {
    /// The element.
    pub element: &'a Element,
    /// The name, cleaned.
    pub name: String,
    /// The tags, cleaned.
    pub tags: Vec<String>,
    /// The configuration, complete.
    pub configuration: Given,
    /// What the grant is made of.
    pub source: GrantSource,
    /// What the vendor's callback carried besides the code, by configuration key.
    pub told: BTreeMap<String, String>,
    /// The app whose client the code was given to; `None`: the configuration has the client's key and secret.
    pub app: Option<AppId>,
    /// The link that was opened, if it was one.
    pub link: Option<LinkId>,
}

/// An instance that is being made.
struct Creation<'a> {
    broker: &'a Broker,
    element: &'a Element,
    settings: Settings,
    source: &'a GrantSource,
    pending: Instance,
    deadline: Deadline,
}

/// Makes an instance.
pub async fn create(
    broker: &Broker,
    user: UserId,
    new: NewInstance<'_>,
    deadline: Deadline,
) -> Result<Account, Error> {
    let NewInstance { element, name, tags, configuration, source, told, app, link } = new;
    if matches!(source, GrantSource::RefreshToken(_)) {
        obtain::refresh_of(element, element.oauth2()?)?;
    }
    let mut split = settings::split(element, configuration)?;
    if app.is_some() {
        split.mask_client();
    }
    let whose = CredentialSource { user, app: app.as_ref(), secrets: &split.secrets };
    let pair = whose.pair(broker).await?;
    let client = key::fingerprint(pair.key.expose_secret());
    let settings = Settings { user, open: split.open, secrets: split.secrets, app, client };
    let id = InstanceId(broker.registry.next("instance").await?);
    let (now, owner) = (broker.clock.now(), random::id());
    let pending = Instance {
        id,
        user,
        state: State::Pending,
        disabled: false,
        element: element.identity.key.clone(),
        element_id: element.identity.id,
        name,
        tags,
        configuration: settings.open.clone(),
        sealed: Instance::seal(&broker.keys.ring(), id, FIRST, &settings.secrets)?,
        number: FIRST,
        imported: !source.is_code(),
        client: settings.client.clone(),
        app: settings.app.clone(),
        link,
        created: now,
        salt: random::id(),
        token_key: broker.token_keys.current(),
        consents: FIRST,
        consent_owner: owner,
        consent_since: now,
        marker: source.marker(broker, element, &pair),
        copy: Copy::NONE,
        in_doubt: None,
        deleted: None,
        taken_back: false,
        brought: Vec::new(),
        agenda: Some(schedule::agenda(&element.identity.key, id)),
        due: Some(certainly_ended(now)),
    };
    let creation = Creation { broker, element, settings, source: &source, pending, deadline };
    match creation.mark().await? {
        None => creation.begin(&told).await,
        Some(found) => creation.go_on_with(&found).await,
    }
}

impl Creation<'_> {
    /// Writes the code down. Gives the marker that is there already.
    async fn mark(&self) -> Result<Option<Marker>, Error> {
        let Instance { id, user, created, ref consent_owner, ref marker, .. } = self.pending;
        let written = Marker {
            instance: id,
            consent: FIRST,
            user,
            since: created,
            owner: consent_owner.clone(),
            expires: self.source.is_code().then(|| Marker::code_expires(created)),
        };
        match marker::put(&*self.broker.registry, marker, &written).await {
            Ok(found) => Ok(found),
            Err(cause) => {
                // Nothing was sent.
                free(self.broker, marker, &self.pending, &self.pending.consent_owner).await;
                Err(cause.into())
            }
        }
    }

    /// Makes the instance, by whoever has written the marker.
    async fn begin(self, told: &BTreeMap<String, String>) -> Result<Account, Error> {
        if let Err(error) = self.register().await {
            // Nothing was sent.
            free(self.broker, &self.pending.marker, &self.pending, &self.pending.consent_owner).await;
            return Err(error);
        }
        let set = match self.source {
            GrantSource::RefreshToken(token) => self.imported(token),
            _ => self.exchange(told).await?,
        };
        Box::pin(self.complete(set)).await
    }

    /// A refresh token that was brought along, and no access token yet.
    fn imported(&self, token: &SecretString) -> TokenSet {
        let tokens = Tokens::of_refresh_token(token.clone(), self.broker.clock.now());
        TokenSet { tokens, told: Given::new(), settings: FIRST }
    }

    /// Answers for a code that was written down before. The import of a refresh token that has not ended is gone on with:
    /// there is nothing that would be sent twice.
    async fn go_on_with(self, found: &Marker) -> Result<Account, Error> {
        let GrantSource::RefreshToken(token) = self.source else {
            return repeated(self.broker, self.pending.user, found).await;
        };
        if found.user != self.pending.user {
            return Err(Error::CodeUsed);
        }
        let (begun, grant) = account::read(&*self.broker.registry, found.user, found.instance).await?;
        match (begun.filter(|begun| begun.state == State::Pending), grant) {
            (Some(mut pending), None) => {
                (pending.consent_owner, pending.consent_since) = (random::id(), self.pending.created);
                let (set, settings) = (self.imported(token), Settings::of(self.broker, &pending).await?);
                Box::pin(Creation { settings, pending, ..self }.complete(set)).await
            }
            (Some(pending), Some(_)) => import::go_on(self.broker, &pending, None, self.deadline).await,
            (None, _) => repeated(self.broker, found.user, found).await,
        }
    }

    /// Makes the pending record. What was put and is not there was removed by the sweep, and is not put again.
    async fn register(&self) -> Result<(), Error> {
        let item = records::to_item(&self.pending)?;
        let written = self.broker.registry.insert(&self.pending.key(), item).await?;
        match written.proven_by("salt", &self.pending.salt) {
            Written::Done(_) => Ok(()),
            Written::Refused(_) => {
                Err(Error::Internal(format!("the instance id {} was given twice", self.pending.id)))
            }
        }
    }

    async fn exchange(&self, callback: &BTreeMap<String, String>) -> Result<TokenSet, Error> {
        let Self { broker, element, settings, source, pending, deadline } = self;
        match obtain(broker, element, settings, source, pending.created, *deadline).await {
            Ok(granted) => {
                let told = obtain::told(&granted, callback);
                Ok(TokenSet { tokens: granted.tokens, told, settings: FIRST })
            }
            Err(error) if error.certainly_not_granted() => {
                if let Err(cause) = take_back(broker, pending, Instance::is_pending()).await {
                    tracing::warn!(instance = pending.id.0, ?cause, "a pending instance was not taken back");
                }
                Err(error)
            }
            Err(error) => {
                events::in_doubt(pending, "the exchange of a code");
                let change = Change::default().and(Instance::is_pending());
                let change = change.set("in_doubt", broker.clock.now());
                if let Err(cause) = broker.registry.update(&pending.key(), change).await {
                    tracing::warn!(instance = pending.id.0, %cause, "a doubt was not written down");
                }
                Err(error)
            }
        }
    }

    /// Stores the grant, and makes the instance live.
    async fn complete(self, set: TokenSet) -> Result<Account, Error> {
        let grant = match self.store(&set).await {
            Ok(Some(grant)) => grant,
            outcome => return Err(self.not_kept(&set, outcome.err()).await),
        };
        let account = if matches!(self.source, GrantSource::RefreshToken(_)) {
            import::go_on(self.broker, &self.pending, Some(&self.pending.consent_owner), self.deadline)
                .await?
        } else {
            let made = make_live(self.broker, &self.pending, &grant, &set.told, self.deadline).await;
            let Some(instance) = made.map_err(Error::after_the_grant)? else {
                // The sweep has removed it meanwhile, and then removes the grant too.
                fence(self.broker, grant.instance).await?;
                return Err(self.not_kept(&set, None).await);
            };
            Account::new(instance, grant)
        };
        let Account { instance, grant, .. } = account;
        Ok(Account::new(instance, settle::at_once(self.broker, grant, self.deadline).await))
    }

    /// Makes the grant's record. Gives nothing when the instance is being removed.
    async fn store(&self, set: &TokenSet) -> Result<Option<Grant>, StoreError> {
        let Self { broker, pending, .. } = self;
        // Whoever brings a refresh token asks with it first.
        let is_asked = matches!(self.source, GrantSource::RefreshToken(_));
        let mut grant = Grant {
            imported: pending.imported,
            last: u64::from(is_asked),
            client: self.settings.client.clone(),
            secret: (broker.token_store == TokenStore::SecretsManager)
                .then(|| rest::new_secret(self.pending.id)),
            asking_owner: is_asked.then(|| pending.consent_owner.clone()),
            asking_since: is_asked.then_some(pending.consent_since),
            doubts: if is_asked { vec![1] } else { Vec::new() },
            agenda: schedule::agenda(&pending.element, pending.id),
            ..Grant::new(pending.id, pending.user, &pending.element)
        };
        let sealed = rest::seal(broker, &grant, (FIRST, 0), set)?;
        grant.take_tokens((FIRST, 0), &set.tokens, Some(sealed));
        grant.due = Some(schedule::due(broker, &grant, broker.clock.now()));
        let item = records::to_item(&grant)?;
        let key = grant.key();
        let insert = async || {
            let written = broker.registry.insert(&key, item.clone()).await;
            events::table(broker, &written);
            written
        };
        match write::keep(broker, pending, self.deadline, insert).await? {
            Written::Done(_) => Ok(Some(grant)),
            Written::Refused(found) => {
                let found: Option<Grant> = found.map(records::from_item).transpose()?;
                Ok(found.filter(|found| found.state == grant::State::Live))
            }
        }
    }

    /// A grant that cannot be kept is revoked, as well as it can be: nobody could ever use or end it. A token that was
    /// brought along is its owner's.
    async fn not_kept(&self, set: &TokenSet, cause: Option<StoreError>) -> Error {
        let cause = cause.unwrap_or_else(|| {
            StoreError::Unavailable(format!("the pending instance {} was removed", self.pending.id))
        });
        if self.source.is_code() {
            events::not_saved(&self.pending, &cause);
            revoke_unkept(self.broker, &self.pending, &self.settings, set).await;
            return Error::GrantNotSaved(cause);
        }
        cause.into()
    }
}
