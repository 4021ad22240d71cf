//! `POST /instances/{id}/token`: a new element token in the place of a leaked one.

use broker::Broker;
use broker::record::instance;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let (user, account) = crate::named(broker, call).await?;
    let number = broker.token_keys.current();
    let instance = instance::renew_token(&*broker.registry, &account.instance, number).await?;
    let instance = account.with(instance).shown();
    answer::json(&show::instance::instance(&instance, broker.token(&instance)?, &broker.catalogue, &user))
}
