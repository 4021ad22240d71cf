//! An instance is deleted.

use broker::Broker;
use broker::grant::delete;
use broker::record::instance::Instance;

use super::{Answer, Life};
use crate::faults::world::World;
use crate::machine::create;

/// An instance is deleted.
pub struct Deletion(Instance);

impl Life for Deletion {
    const TITLE: &'static str = "Deletion";

    async fn set_up(world: &World) -> Self {
        Self(create(&world.machine.sound()).await.unwrap())
    }

    async fn act(&self, broker: &Broker) -> Answer {
        delete::remove(broker, &self.0).await.map(|()| "`200`").into()
    }
}
