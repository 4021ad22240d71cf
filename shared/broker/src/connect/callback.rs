//! The vendor's callback: from a session that was taken to its end, an instance or the reason why there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::Broker;
use crate::connect::outcome::{failed, not_made, refused};
use crate::error::Error;
use crate::events;
use crate::grant::consent::consent;
use crate::grant::create::{self, NewInstance};
use crate::grant::obtain::GrantSource;
use crate::grant::settings::Edit;
use crate::id::InstanceId;
use crate::random;
use crate::record::account::{self, Account};
use crate::record::instance;
use crate::record::link::{self, Link, Use};
use crate::record::session::Ended;
use crate::record::settings;
use crate::store::retry::Deadline;

/// The longest description that is passed on, in characters.
const LONGEST: usize = 500;

/// The parameters of a callback. They hold the code and are not to be printed.
pub struct Returned(Vec<(String, String)>);

/// What may be there once (RFC 6749 section 3.1).
const ONCE: [&str; 5] = ["state", "code", "iss", "error", "error_description"];

impl Returned {
    /// Takes the pairs of the query, or of a posted form; `None` when one is there twice that may be there once.
    pub fn new(pairs: Vec<(String, String)>) -> Option<Self> {
        let returned = Self(pairs);
        ONCE.iter().all(|name| returned.has_once(name)).then_some(returned)
    }

    /// Tells that a parameter is not there twice.
    fn has_once(&self, name: &str) -> bool {
        self.0.iter().filter(|(known, _)| known == name).count() <= 1
    }

    /// Gives a parameter; nothing when it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Gives the error code, when it is one (RFC 6749 section 4.1.2.1: printable ASCII).
    pub fn error(&self) -> Option<&str> {
        let error = ["error", "error_code", "errorCode"].into_iter().find_map(|name| self.get(name))?;
        let plain = error.len() <= 100 && error.bytes().all(|c| (b' '..=b'~').contains(&c));
        Some(if plain { error } else { "server_error" })
    }

    /// Tells whether the visitor has said no, in a vendor's own words.
    fn denies(&self) -> bool {
        match self.error() {
            Some("access_denied" | "user_cancelled_login" | "user_cancelled_authorize" | "user_denied") => {
                true
            }
            Some("consent_required") => self.get("error_subcode") == Some("cancel"),
            _ => false,
        }
    }

    /// Gives the vendor's description of an error, without control characters.
    fn description(&self) -> Option<String> {
        const WORDS: [&str; 4] = ["error_description", "error_message", "errorMessage", "error_reason"];
        let description = WORDS.into_iter().find_map(|name| self.get(name))?;
        Some(description.chars().filter(|c| !c.is_control()).take(LONGEST).collect())
    }
}

/// How long another consent of the same instance is waited for.
const WAIT: Duration = Duration::from_secs(4);

/// How often, in milliseconds, at random.
const LOOK: (u64, u64) = (150, 350);

/// What a link's maker reads when a callback came too slowly through the stores.
const TOO_SLOW: &str = "The stores are too slow just now to keep what the vendor would give";

/// Does what a vendor's answer says; `name` is the session's. It cannot fail: every failure is an end.
pub async fn finish(
    broker: &Broker,
    deadline: Deadline,
    name: &str,
    link: &Link,
    state: &str,
    returned: &Returned,
) -> Ended {
    // An error wins over a code: the visitor, or the vendor, said no.
    if let Some(error) = returned.error() {
        return refused(error, returned.denies(), returned.description());
    }
    let Some(code) = returned.get("code") else {
        return failed("server_error", "The vendor sent neither a code nor an error", None);
    };
    if !deadline.may_ask() {
        return failed("temporarily_unavailable", TOO_SLOW, None);
    }
    let sealed = match link::take(&*broker.registry, link, name).await {
        Ok(Use::Granted(taken)) => taken.sealed,
        Ok(Use::Used) => return Ended::LinkUsed,
        Ok(Use::Withdrawn) => return Ended::LinkWithdrawn,
        Err(cause) => {
            // Its reply may have been lost.
            give_back(broker, link, name).await;
            return not_made(&cause.into());
        }
    };
    let link = &Link { sealed, ..link.clone() };
    let made = match broker.connect().map(|connect| connect.code_verifier(state)) {
        Ok(verifier) => {
            let source = GrantSource::Code(code.into(), Some(verifier.into()));
            Box::pin(make(broker, deadline, link, source, returned)).await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(id) => Ended::Connected(id),
        Err(error) if error.certainly_not_granted() => {
            give_back(broker, link, name).await;
            if matches!(&error, Error::Vendor(cause) if cause.refuses_client()) {
                events::links_client_refused(link);
            }
            not_made(&error)
        }
        Err(cause) => {
            tracing::error!(?cause, "a flow ended in doubt");
            Ended::Unknown
        }
    }
}

async fn give_back(broker: &Broker, link: &Link, name: &str) {
    if let Err(cause) = link::give_back(&*broker.registry, link, name).await {
        tracing::warn!(?cause, "a link was not given back");
    }
}

async fn make(
    broker: &Broker,
    deadline: Deadline,
    link: &Link,
    source: GrantSource,
    returned: &Returned,
) -> Result<InstanceId, Error> {
    let element = broker.catalogue.element(&link.element)?;
    let mut configuration = link.configuration.clone();
    let secrets = link.secrets(broker.connect()?.secrets()?)?;
    configuration
        .extend(secrets.iter().map(|(key, secret)| (key.clone(), Some(secret.expose_secret().into()))));
    if let Some(parameter) = element.oauth2()?.callback.keys().find(|name| !returned.has_once(name)) {
        return Err(Error::Invalid(format!("The vendor's callback has {parameter} twice")));
    }
    let told = settings::from_callback(element, |name| Ok(returned.get(name).map(str::to_owned)))?;
    if let Some(id) = link.instance {
        let account = account::find(&*broker.registry, link.user, id).await?;
        let account = account.ok_or_else(|| instance::unknown(id))?;
        let (name, tags, configuration) = (link.name.clone(), link.tags.clone(), Some(configuration));
        let edit = Edit { name, tags, configuration, whole: false };
        return authenticate_again(broker, account, &edit, &source, &told, deadline).await;
    }
    // A mask stands for the client's key and secret, which the app has.
    configuration.retain(|_, value| value.as_deref() != Some(settings::MASK));
    let name = link.name.clone().unwrap_or_else(|| element.identity.name.clone());
    let tags = link.tags.clone().unwrap_or_else(|| vec![name.clone()]);
    let (app, link_id) = (link.app.clone(), Some(link.id.clone()));
    let new = NewInstance { element, name, tags, configuration, source, told, app, link: link_id };
    Ok(create::create(broker, link.user, new, deadline).await?.instance.id)
}

/// Gives an instance a new grant. A visitor cannot ask again with the same code, so another consent that is under way is
/// waited for; nothing is sent before.
async fn authenticate_again(
    broker: &Broker,
    mut account: Account,
    edit: &Edit,
    source: &GrantSource,
    told: &BTreeMap<String, String>,
    deadline: Deadline,
) -> Result<InstanceId, Error> {
    let id = account.instance.id;
    loop {
        match consent(broker, account.clone(), edit, source, told, deadline).await {
            Err(Error::Locked(_)) if deadline.is_before(WAIT) => {}
            outcome => return outcome.map(|_| id),
        }
        tokio::time::sleep(Duration::from_millis(random::between(LOOK.0, LOOK.1))).await;
        account = account::find_again(&*broker.registry, &account).await?;
    }
}
