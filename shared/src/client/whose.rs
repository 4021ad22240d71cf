//! Whose client asks a vendor, and the keys and secrets of apps as they were read last.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use super::Pair;
use crate::app::App;
use crate::clock::Timestamp;
use crate::configuration::{CLIENT_ID, CLIENT_SECRET};
use crate::error::Error;
use crate::oauth::VendorError;
use crate::oauth::send::Client;

/// How long a key and secret that were read are used again, in seconds.
const FRESH: Timestamp = 300;

impl Pair {
    pub(crate) fn client(&self) -> Client<'_> {
        Client { id: self.key.expose_secret(), secret: &self.secret }
    }

    fn is(&self, other: &Self) -> bool {
        let same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        same(&self.key, &other.key) && same(&self.secret, &other.secret)
    }
}

/// The keys and secrets that were read last.
#[derive(Default)]
pub struct Cache(Mutex<HashMap<String, (Timestamp, Arc<Pair>)>>);

impl Cache {
    fn fresh(&self, id: &str, now: Timestamp) -> Option<Arc<Pair>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(id).filter(|(read, _)| (0..FRESH).contains(&(now - read))).map(|(_, pair)| Arc::clone(pair))
    }

    fn keep(&self, id: &str, now: Timestamp, pair: &Arc<Pair>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (read, _)| (0..FRESH).contains(&(now - *read)));
        kept.insert(id.to_owned(), (now, Arc::clone(pair)));
    }
}

/// Whose client asks a vendor: an app's, or the one whose key and secret are among an instance's.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    /// The app's id; it counts as long as there is no key and secret of the instance's own.
    pub(crate) app: Option<&'a str>,
    /// The instance's secrets.
    pub(crate) secrets: &'a BTreeMap<String, SecretString>,
}

impl Whose<'_> {
    fn app(&self) -> Option<&str> {
        self.app.filter(|_| !self.secrets.contains_key(CLIENT_SECRET))
    }

    /// Gives the client's key and secret.
    pub(crate) async fn pair(&self, app: &App) -> Result<Arc<Pair>, Error> {
        let Some(id) = self.app() else {
            let secret = |key: &str| {
                self.secrets.get(key).cloned().ok_or_else(|| Error::Internal(format!("{key} is not kept")))
            };
            return Ok(Arc::new(Pair { key: secret(CLIENT_ID)?, secret: secret(CLIENT_SECRET)? }));
        };
        match app.clients.fresh(id, app.clock.now()) {
            Some(pair) => Ok(pair),
            None => read(app, id).await,
        }
    }

    /// Gives another key and secret when a vendor has refused those of an app, and the app has been given others
    /// since they were read.
    pub(crate) async fn instead(&self, app: &App, refused: &Pair, error: &VendorError) -> Option<Arc<Pair>> {
        let id = self.app().filter(|_| error.refuses_client())?;
        let read = read(app, id).await.ok()?;
        (!read.is(refused)).then_some(read)
    }
}

async fn read(app: &App, id: &str) -> Result<Arc<Pair>, Error> {
    let found = app.apps.latest(id).await?;
    let pair = found.and_then(|(_, text)| Pair::from_text(&text));
    let pair = Arc::new(pair.ok_or_else(|| {
        Error::Conflict(format!(
            "The app {id} has no key and secret: give them with PUT on it, or name another"
        ))
    })?);
    app.clients.keep(id, app.clock.now(), &pair);
    Ok(pair)
}
