//! An instance is changed while its token is due.

use broker::Broker;
use broker::grant::obtain::GrantSource;
use broker::grant::settings::Edit;
use broker::record::instance::Instance;

use super::refresh::due;
use super::{Answer, Life};
use crate::faults::world::{World, token};
use crate::machine::{code, consent_with, rekey};

/// Somebody brings a new code.
pub struct Consent(Instance, GrantSource);

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
        Self(due(world).await, code())
    }

    async fn act(&self, broker: &Broker) -> Answer {
        consent_with(broker, &self.0, &self.1, &Edit::default()).await.map(|_| "`200`").into()
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
