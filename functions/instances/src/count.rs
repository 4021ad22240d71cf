//! `GET /instances/count`: how many instances the calling user has.

use broker::Broker;
use broker::record::instance;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let user = broker.caller(&call.credentials()?).await?;
    let counts = instance::count(&*broker.registry, user.id).await?;
    answer::json(&show::instance::count(&counts, &broker.catalogue))
}
