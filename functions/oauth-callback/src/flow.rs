//! From a session that was taken to its end: an instance, or the reason why there is none.

use std::time::Duration;

use secrecy::ExposeSecret;
use valetkey::app::App;
use valetkey::body;
use valetkey::configuration;
use valetkey::creation::{self, Draft};
use valetkey::error::Error;
use valetkey::http::Call;
use valetkey::instance::{self, Instance};
use valetkey::link::{self, Link, Use};
use valetkey::oauth::VendorError;
use valetkey::random;
use valetkey::redeem::{Proof, may_spend};
use valetkey::revision::{Revision, revise};
use valetkey::session::Ended;
use valetkey::telemetry;

use crate::returned::Returned;

/// How long a lease is waited for.
const WAIT: Duration = Duration::from_secs(4);

/// How often, in milliseconds, at random.
const LOOK: (u64, u64) = (150, 350);

/// What a link's maker reads when a callback came too slowly through the stores.
const TOO_SLOW: &str = "The stores are too slow just now to keep what the vendor would give";

/// Does what a vendor's answer says; `name` is the session's. It cannot fail: every failure is an end.
pub(crate) async fn finish(
    app: &App,
    call: &Call,
    name: &str,
    link: &Link,
    state: &str,
    returned: &Returned,
) -> Ended {
    // An error wins over a code: the visitor, or the vendor, said no.
    if let Some(error) = returned.error() {
        return refused(error, returned.description());
    }
    let Some(code) = returned.get("code") else {
        return failed("server_error", "The vendor sent neither a code nor an error", None);
    };
    if !may_spend(call.watch) {
        return failed("temporarily_unavailable", TOO_SLOW, None);
    }
    let sealed = match link::take(&*app.registry, link, name).await {
        Ok(Use::Granted(taken)) => taken.sealed,
        Ok(Use::Used) => return Ended::LinkUsed,
        Ok(Use::Withdrawn) => return Ended::LinkWithdrawn,
        Err(cause) => {
            // Its reply may have been lost.
            give_back(app, link, name).await;
            return not_made(&cause.into());
        }
    };
    let link = &Link { sealed, ..link.clone() };
    let made = match app.connect().map(|connect| connect.code_verifier(state)) {
        Ok(verifier) => {
            let proof = Proof::Code(code.into(), Some(verifier.into()));
            make(app, call, link, proof, returned).await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(id) => Ended::Connected(id),
        Err(error) if error.granted_nothing() => {
            give_back(app, link, name).await;
            if matches!(&error, Error::Vendor(cause) if cause.refuses_client()) {
                telemetry::links_client_refused(link);
            }
            not_made(&error)
        }
        Err(cause) => {
            tracing::error!(?cause, "a flow ended in doubt");
            Ended::Unknown
        }
    }
}

async fn give_back(app: &App, link: &Link, name: &str) {
    if let Err(cause) = link::give_back(&*app.registry, link, name).await {
        tracing::warn!(?cause, "a link was not given back");
    }
}

async fn make(app: &App, call: &Call, link: &Link, proof: Proof, returned: &Returned) -> Result<u64, Error> {
    let element = app.catalogue.element(&link.element)?;
    let mut configuration = link.configuration.clone();
    let secrets = link.secrets(app.connect()?.secrets()?)?;
    configuration
        .extend(secrets.iter().map(|(key, secret)| (key.clone(), Some(secret.expose_secret().into()))));
    if let Some(parameter) = element.oauth2()?.callback.keys().find(|name| !returned.has_once(name)) {
        return Err(Error::Invalid(format!("The vendor's callback has {parameter} twice")));
    }
    let told = body::told(element, |name| returned.get(name).map(Into::into))?;
    if let Some(id) = link.instance {
        let instance = instance::find(&*app.registry, link.user, id).await?;
        let instance = instance.ok_or_else(|| instance::unknown(id))?;
        let (name, tags, configuration) = (link.name.clone(), link.tags.clone(), Some(configuration));
        let revision = Revision { name, tags, configuration, whole: false, proof: Some(proof), told };
        return revived(app, call, instance, &revision).await;
    }
    // A mask stands for the client's key and secret, which the app has.
    configuration.retain(|_, value| value.as_deref() != Some(configuration::MASK));
    let name = link.name.clone().unwrap_or_else(|| element.identity.name.clone());
    let tags = link.tags.clone().unwrap_or_else(|| vec![name.clone()]);
    let (client, link_id) = (link.app.clone(), Some(link.id.clone()));
    let draft = Draft { element, name, tags, configuration, proof, told, app: client, link: link_id };
    Ok(creation::create(app, link.user, draft, call.watch).await?.id)
}

/// Revives an instance. A visitor cannot ask again with the same code, so a refresh that is under way is waited
/// for; nothing is spent before.
async fn revived(app: &App, call: &Call, mut instance: Instance, revision: &Revision) -> Result<u64, Error> {
    let (user, id) = (instance.user, instance.id);
    loop {
        match revise(app, instance, revision, call.watch).await {
            Err(Error::Leased(_)) if call.watch.is_before(WAIT) => {}
            outcome => return outcome.map(|revived| revived.id),
        }
        tokio::time::sleep(Duration::from_millis(random::between(LOOK.0, LOOK.1))).await;
        let found = instance::find(&*app.registry, user, id).await?;
        instance = found.ok_or_else(|| instance::unknown(id))?;
    }
}

/// What a vendor's error means (RFC 6749 section 4.1.2.1).
fn refused(error: &str, description: Option<String>) -> Ended {
    if error == "access_denied" {
        let usual = || "The user did not allow access".to_owned();
        return Ended::Denied { description: description.unwrap_or_else(usual) };
    }
    let words = description.clone().unwrap_or_else(|| format!("The vendor answered {error}"));
    failed(error, &words, description)
}

/// What an error means that certainly left no grant.
fn not_made(error: &Error) -> Ended {
    if !matches!(error, Error::Vendor(VendorError::Refused { .. })) {
        // What a vendor says may hold what nobody should read here.
        tracing::warn!(cause = ?error, "a flow made no instance");
    }
    let busy = |words: &str| failed("temporarily_unavailable", words, None);
    match error {
        Error::Vendor(cause) if cause.refuses_client() => {
            failed("server_error", "The vendor refuses the app's key or secret", None)
        }
        Error::Vendor(VendorError::Refused { message, .. }) => {
            failed("server_error", "The vendor refused the code", Some(message.clone()))
        }
        Error::Vendor(_) => busy("The vendor cannot answer just now"),
        Error::Store(_) | Error::Leased(_) | Error::Unfinished(_) | Error::TooOften(_) => {
            busy("Nothing could be stored just now")
        }
        Error::NotFound(_) => failed("server_error", "The instance is not there any more", None),
        error => failed("server_error", &error.to_string(), None),
    }
}

fn failed(error: &str, description: &str, said: Option<String>) -> Ended {
    Ended::Failed { error: error.into(), description: description.into(), said }
}
