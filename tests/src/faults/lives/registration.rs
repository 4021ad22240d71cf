//! An app is registered.

use broker::Broker;
use broker::Error;
use broker::apps;
use broker::id::UserId;
use broker::record::app::{App, ClientCredentials};

use super::{Answer, Life};
use crate::client::{API_KEY, API_SECRET};
use crate::faults::world::World;

/// An app is registered.
pub struct Registration;

/// Registers the tests' client.
pub async fn register(broker: &Broker) -> Result<App, Error> {
    let element = broker.catalogue.find("faulty").unwrap();
    apps::register(broker, UserId(1), element, "Ours".into(), &pair()).await
}

fn pair() -> ClientCredentials {
    ClientCredentials { key: API_KEY.to_owned().into(), secret: API_SECRET.to_owned().into() }
}

impl Life for Registration {
    const TITLE: &'static str = "An app's registration";

    async fn set_up(_: &World) -> Self {
        Self
    }

    async fn act(&self, broker: &Broker) -> Answer {
        register(broker).await.map(|_| "`200`").into()
    }

    /// The owner looks at the list, gives key and secret once more, and deletes the app.
    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        let listed = world.apps().await;
        let [listed] = listed.as_slice() else { return Answer::new("an empty list") };
        let whole = apps::replace(broker, listed, None, &pair()).await.unwrap();
        assert_eq!(whole.client_id(&broker.connect().unwrap().keyring).unwrap(), API_KEY);
        apps::remove(broker, &whole).await.unwrap();
        assert!(world.apps().await.is_empty());
        Answer::new("sees it in the list, can give key and secret with `PUT`, can delete it")
    }

    async fn left(&self, world: &World) -> Vec<String> {
        world.apps().await.iter().map(|_| "an app".to_owned()).collect()
    }
}
