//! `DELETE /instances/{id}`: the grant is revoked where it can be, then forgotten.

use broker::Broker;
use broker::grant::delete;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let (_, account) = crate::named(broker, call).await?;
    delete::remove(broker, &account.instance).await?;
    Ok(answer::empty())
}
