//! `GET /users/{id}`, and its return URLs.

use broker::Broker;
use broker::Error;
use broker::record::user;
use broker::record::user::User;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    answer::json(&show::user::user(&found(broker, call).await?))
}

pub(crate) async fn return_urls(broker: &Broker, call: &Call) -> Answer {
    answer::json(&show::user::return_urls(&found(broker, call).await?))
}

async fn found(broker: &Broker, call: &Call) -> Result<User, Error> {
    broker.admin(&call.credentials()?).await?;
    let id = crate::id(call)?;
    user::numbered(&*broker.registry, id).await?.ok_or_else(|| crate::unknown(id))
}
