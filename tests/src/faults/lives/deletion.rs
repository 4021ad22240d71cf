//! An instance is deleted.

use valetkey::app::App;
use valetkey::instance::Instance;
use valetkey::removal;

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

    async fn act(&self, app: &App) -> Answer {
        removal::remove(app, &self.0).await.map(|()| "`200`").into()
    }
}
