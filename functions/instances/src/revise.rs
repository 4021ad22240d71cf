//! `PUT` and `PATCH /instances/{id}`: another name, tags or configuration, and a new consent; with
//! `reAuthenticate=true` and no code the grant is refreshed.

use broker::Broker;
use broker::Error;
use broker::grant::reauthenticate::revise;
use broker::grant::refresh::{self, Ask};
use broker::record::instance;
use web::body;
use web::show;
use web::{Answer, Call, answer};

use crate::draft;

pub(crate) async fn put(broker: &Broker, call: &Call) -> Answer {
    answer(broker, call, true).await
}

pub(crate) async fn patch(broker: &Broker, call: &Call) -> Answer {
    answer(broker, call, false).await
}

async fn answer(broker: &Broker, call: &Call, whole: bool) -> Answer {
    let (user, instance) = crate::named(broker, call).await?;
    let element = broker.catalogue.element(&instance.element)?;
    let sent = call.object()?;
    let revision = draft::revision(element, &sent, whole)?;
    let named = body::text(sent.get("appId")).filter(|id| !id.is_empty());
    if named.is_some() && named != instance.app.as_ref().map(|app| app.0.clone()) {
        return Err(Error::Invalid(
            "`appId` of an instance cannot be changed; oauth.api.key and oauth.api.secret give it a client of its own"
                .into(),
        )
        .into());
    }
    let again = call.query("reAuthenticate").is_some_and(|said| said.eq_ignore_ascii_case("true"));
    let refresh = again && revision.proof.is_none();
    let mut instance = revise(broker, instance, &revision, call.watch).await?;
    if refresh {
        let (user, id) = (instance.user, instance.id);
        refresh::live(broker, instance, Ask::New, call.watch).await?;
        instance = instance::find(&*broker.registry, user, id).await?.ok_or_else(|| instance::unknown(id))?;
    }
    answer::json(&show::instance::instance(&instance, broker.token(&instance)?, &broker.catalogue, &user))
}
