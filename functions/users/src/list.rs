//! `GET /users`: all users, by number.

use broker::Broker;
use broker::Error;
use broker::id::UserId;
use broker::record::user;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    broker.admin(&call.credentials()?).await?;
    let refuse = || Error::Invalid("nextPage must be what Elements-Next-Page-Token said".into());
    let after = call.query("nextPage").map(|given| UserId::parse(given).ok_or_else(refuse)).transpose()?;
    let (users, more) = user::list(&*broker.registry, after, call.page_size()?).await?;
    let next = users.last().filter(|_| more).map(|last| last.id.to_string());
    answer::list(&users.iter().map(show::user::user).collect::<Vec<_>>(), next.as_deref())
}
