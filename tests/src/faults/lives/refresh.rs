//! A token is due, and is refreshed for whoever asks for it, or by the sweep.

use broker::Broker;
use broker::grant::sweep::sweep;
use broker::record::instance::Instance;

use super::{Answer, Life};
use crate::faults::world::{World, token};
use crate::machine::create;

/// Until a token of the vendor's is due, in seconds.
const DUE: i64 = 31;

/// Makes an instance, whose token is due.
pub(super) async fn due(world: &World) -> Instance {
    let instance = create(&world.machine.sound()).await.unwrap();
    world.machine.pass(DUE);
    instance
}

/// A token is refreshed for whoever asks for it.
pub struct RefreshOnDemand(Instance);

/// A token is refreshed by the sweep.
pub struct RefreshBySweep;

impl Life for RefreshOnDemand {
    const TITLE: &'static str = "Refresh on demand";
    const IS_TAKEN_OVER: bool = true;

    async fn set_up(world: &World) -> Self {
        Self(due(world).await)
    }

    async fn act(&self, broker: &Broker) -> Answer {
        token(broker, &self.0).await.into()
    }

    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        token(broker, &world.machine.instance().await).await.into()
    }
}

impl Life for RefreshBySweep {
    const TITLE: &'static str = "Refresh by the sweep";
    const IS_TAKEN_OVER: bool = true;

    async fn set_up(world: &World) -> Self {
        due(world).await;
        Self
    }

    async fn act(&self, broker: &Broker) -> Answer {
        let report = sweep(broker, &sweep::LIMITS, &|| true).await;
        let words = report.map(|report| format!("{} refreshed, {} failed", report.refreshed, report.failed));
        words.map_err(broker::error::Error::from).into()
    }

    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        token(broker, &world.machine.instance().await).await.into()
    }
}
