//! `PUT` and `DELETE /instances/{id}/enabled`: an instance is switched on or off; its grant stays.

use broker::Broker;
use broker::record::instance;
use web::{Answer, Call, answer};

pub(crate) async fn put(broker: &Broker, call: &Call) -> Answer {
    switch(broker, call, true).await
}

pub(crate) async fn delete(broker: &Broker, call: &Call) -> Answer {
    switch(broker, call, false).await
}

async fn switch(broker: &Broker, call: &Call, on: bool) -> Answer {
    let (_, account) = crate::named(broker, call).await?;
    instance::switch(&*broker.registry, &account.instance, on).await?;
    Ok(answer::empty())
}
