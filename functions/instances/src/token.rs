//! `POST /instances/{id}/token`: a new element token in the place of a leaked one.

use broker::Broker;
use broker::record::instance;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let (user, instance) = crate::named(broker, call).await?;
    let instance = instance::renew_token(&*broker.registry, &instance, broker.token_keys.current()).await?;
    answer::json(&show::instance::instance(&instance, broker.token(&instance)?, &broker.catalogue, &user))
}
