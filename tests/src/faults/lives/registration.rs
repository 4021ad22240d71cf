//! An app is registered.

use valetkey::app::App;
use valetkey::client::{self, Pair, Registered};
use valetkey::error::Error;

use super::{Answer, Life};
use crate::client::{API_KEY, API_SECRET};
use crate::faults::world::World;

/// An app is registered.
pub struct Registration;

/// Registers the tests' client.
pub async fn register(app: &App) -> Result<Registered, Error> {
    let element = app.catalogue.find("faulty").unwrap();
    client::register(app, 1, element, "Ours".into(), &pair()).await
}

fn pair() -> Pair {
    Pair { key: API_KEY.to_owned().into(), secret: API_SECRET.to_owned().into() }
}

impl Life for Registration {
    const TITLE: &'static str = "An app's registration";

    async fn set_up(_: &World) -> Self {
        Self
    }

    async fn act(&self, app: &App) -> Answer {
        register(app).await.map(|_| "`200`").into()
    }

    /// The owner looks at the list, gives key and secret once more, and deletes the app.
    async fn next(&self, world: &World, app: &App) -> Answer {
        let listed = world.apps().await;
        let [listed] = listed.as_slice() else { return Answer::new("an empty list") };
        let whole = client::replace(app, listed, None, &pair()).await.unwrap();
        assert_eq!(whole.client_id(&app.connect().unwrap().seal).unwrap(), API_KEY);
        client::remove(app, &whole).await.unwrap();
        assert!(world.apps().await.is_empty());
        Answer::new("sees it in the list, can give key and secret with `PUT`, can delete it")
    }

    async fn left(&self, world: &World) -> Vec<String> {
        let mut left = Vec::new();
        for app in world.apps().await {
            let key = if app.client.is_some() { "an app" } else { "an app without a key" };
            let stored = world.machine.vault.latest(&app.id).await.unwrap().is_some();
            left.push(if stored { format!("{key}, and its secret") } else { key.to_owned() });
        }
        left
    }
}
