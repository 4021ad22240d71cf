//! `POST /instances` and `POST /elements/{keyOrId}/instances`: a code becomes an instance.

use broker::Broker;
use broker::grant::create;
use broker::record::app;
use web::show;
use web::{Answer, Call, answer};

use crate::draft;

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let user = broker.user(&call.credentials()?).await?;
    let body = call.object()?;
    let draft = draft::read(&broker.catalogue, call.parameter("keyOrId"), &body)?;
    if let Some(id) = &draft.app {
        app::find(&*broker.registry, user.id, draft.element, id).await?;
    }
    let account = create::create(broker, user.id, draft, broker.deadline(call.watch)).await?;
    let instance = account.shown();
    answer::json(&show::instance::instance(&instance, broker.token(&instance)?, &broker.catalogue, &user))
}
