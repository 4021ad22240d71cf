//! Instances that are made by whoever can ask again: of a code, or of the tokens of an existing grant.

use broker::Broker;
use broker::grant::obtain::GrantSource;
use broker::random;

use super::{Answer, Life};
use crate::faults::world::World;
use crate::machine::create_of;

/// An instance is made of a code.
pub struct Creation(String);

/// An instance is made of a refresh token that was brought along.
pub struct Import(String);

/// An instance is made of an access token that was brought along.
pub struct ImportOfAccessToken(String);

async fn made(broker: &Broker, source: GrantSource) -> Answer {
    create_of(broker, source).await.map(|_| "an instance").into()
}

impl Life for Creation {
    const TITLE: &'static str = "Creation";

    async fn set_up(_: &World) -> Self {
        Self(random::id())
    }

    async fn act(&self, broker: &Broker) -> Answer {
        made(broker, GrantSource::Code(self.0.clone().into(), None)).await
    }
}

impl Life for Import {
    const TITLE: &'static str = "Creation with a refresh token that was brought along";

    async fn set_up(world: &World) -> Self {
        Self(world.family.grants_elsewhere().1)
    }

    async fn act(&self, broker: &Broker) -> Answer {
        made(broker, GrantSource::RefreshToken(self.0.clone().into())).await
    }

    /// Nobody brings a spent token.
    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        if world.family.grants()[0].is_elsewhere {
            return self.act(broker).await;
        }
        Answer::new("has no token any more, and needs a new consent")
    }
}

impl Life for ImportOfAccessToken {
    const TITLE: &'static str = "Creation with an access token that was brought along";

    async fn set_up(world: &World) -> Self {
        Self(world.family.grants_elsewhere().0)
    }

    async fn act(&self, broker: &Broker) -> Answer {
        made(broker, GrantSource::AccessToken(self.0.clone().into())).await
    }
}
