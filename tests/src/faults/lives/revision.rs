//! An instance is changed under its lease.

use broker::Broker;
use broker::record::instance::Instance;

use super::refresh::due;
use super::{Answer, Life};
use crate::faults::world::{World, token};
use crate::machine::{consent, rekey};

/// Somebody brings a new code.
pub struct Consent(Instance);

/// Somebody changes a secret of the configuration.
pub struct Rekey(Instance);

/// Somebody changes a secret, whatever was done before.
pub(super) async fn rekeyed(world: &World, broker: &Broker) -> Answer {
    match rekey(broker, &world.machine.instance().await).await {
        Ok(changed) => {
            token(broker, &changed).await.map(|token| format!("{token} beside the new secret")).into()
        }
        Err(error) => error.into(),
    }
}

impl Life for Consent {
    const TITLE: &'static str = "Another consent";
    const IS_TAKEN_OVER: bool = true;

    async fn set_up(world: &World) -> Self {
        Self(due(world).await)
    }

    async fn act(&self, broker: &Broker) -> Answer {
        consent(broker, &self.0).await.map(|_| "`200`").into()
    }

    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        rekeyed(world, broker).await
    }
}

impl Life for Rekey {
    const TITLE: &'static str = "Another secret in the configuration";
    const IS_TAKEN_OVER: bool = true;

    async fn set_up(world: &World) -> Self {
        Self(due(world).await)
    }

    async fn act(&self, broker: &Broker) -> Answer {
        rekey(broker, &self.0).await.map(|_| "`200`").into()
    }

    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        token(broker, &world.machine.instance().await).await.into()
    }
}
