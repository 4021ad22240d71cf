//! `GET /instances/{id}`: one instance.

use broker::Broker;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let (user, account) = crate::named(broker, call).await?;
    let instance = account.shown();
    answer::json(&show::instance::instance(&instance, broker.token(&instance)?, &broker.catalogue, &user))
}
