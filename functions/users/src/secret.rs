//! `POST /users/{id}/secret`: a new secret in the place of a leaked one.

use broker::Broker;
use broker::record::user;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    broker.admin(&call.credentials()?).await?;
    let id = crate::id(call)?;
    let (user, secret) = user::renew(&*broker.registry, id).await?.ok_or_else(|| crate::unknown(id))?;
    answer::json(&show::user::new_user(&user, &secret))
}
