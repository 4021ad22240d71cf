//! The keys that seal secrets in records. An operator may add a key while a process runs: the process reads the keys again
//! when it meets a record that is sealed with a key it does not know.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::seal::keyring::Keyring;
use crate::store::error::StoreError;

/// The least time between two readings of the keys, in seconds.
const AGAIN: Timestamp = 10;

/// Where the keys are.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// Reads them.
    async fn read(&self) -> Result<Keyring, StoreError>;
}

/// The keys that this process knows.
pub struct Keys {
    known: RwLock<Arc<Keyring>>,
    source: Option<Box<dyn KeySource>>,
    read: tokio::sync::Mutex<Timestamp>,
}

impl Keys {
    /// Takes keys that stay as they are.
    pub fn fixed(keyring: Keyring) -> Self {
        Self {
            known: RwLock::new(Arc::new(keyring)),
            source: None,
            read: tokio::sync::Mutex::new(Timestamp::MIN),
        }
    }

    /// Takes keys that were read from a source, to which more may come.
    pub fn read_from(source: impl KeySource + 'static, keyring: Keyring) -> Self {
        Self { source: Some(Box::new(source)), ..Self::fixed(keyring) }
    }

    /// Gives the keys.
    pub fn ring(&self) -> Arc<Keyring> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the keys to open a sealed text with. If its key is not among them, the keys are read again first; if it is
    /// still missing, the text does not open.
    pub(crate) async fn to_open(&self, sealed: &str, now: Timestamp) -> Result<Arc<Keyring>, StoreError> {
        let known = self.ring();
        let Some(source) = self.source.as_ref().filter(|_| !known.knows(sealed)) else { return Ok(known) };
        let mut read = self.read.lock().await;
        let known = self.ring();
        if known.knows(sealed) {
            return Ok(known);
        }
        if (*read..read.saturating_add(AGAIN)).contains(&now) {
            let unknown = "a record is sealed with a key that was not among the deployment's a moment ago";
            return Err(StoreError::Denied(unknown.into()));
        }
        *read = now;
        let found = Arc::new(source.read().await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::seal::key::Key;

    struct Source {
        keys: RwLock<Vec<Key>>,
        reads: AtomicUsize,
    }

    #[async_trait]
    impl KeySource for Arc<Source> {
        async fn read(&self) -> Result<Keyring, StoreError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Ok(Keyring::of(&self.keys.read().unwrap()).unwrap())
        }
    }

    #[tokio::test]
    async fn an_unknown_key_has_them_read_again_and_not_more_often_than_every_ten_seconds() {
        let [old, new, lost] = ["old", "new", "lost"].map(|master| Key::derive(master.as_bytes(), "grant"));
        let place = ["place"];
        let [by_old, by_new, by_lost] =
            [&old, &new, &lost].map(|key| Keyring::new(key).seal(&place, "planted"));
        let source = Arc::new(Source {
            keys: RwLock::new(vec![old.clone(), new.clone()]),
            reads: AtomicUsize::default(),
        });
        let keys = Keys::read_from(Arc::clone(&source), Keyring::new(&old));
        keys.to_open(&by_old, 100).await.unwrap();
        assert_eq!(source.reads.load(Ordering::SeqCst), 0, "it is known");
        let opened = keys.to_open(&by_new, 100).await.unwrap().open(&place, &by_new);
        assert_eq!(opened.as_deref(), Some("planted"));
        assert!(keys.ring().seal(&place, "x")[..5] == by_new[..5], "the newest seals from now on");
        for now in [101, 109] {
            let refused = keys.to_open(&by_lost, now).await.unwrap_err();
            assert!(refused.is_temporary() && source.reads.load(Ordering::SeqCst) == 1, "{refused}");
        }
        assert!(keys.to_open(&by_lost, 110).await.unwrap().open(&place, &by_lost).is_none());
        source.keys.write().unwrap().push(lost);
        keys.to_open(&by_lost, 119).await.unwrap_err();
        // A clock that was ahead does not stop it.
        for now in [120, 50] {
            assert!(keys.to_open(&by_lost, now).await.unwrap().open(&place, &by_lost).is_some());
        }
        assert_eq!(source.reads.load(Ordering::SeqCst), 3);
    }
}
