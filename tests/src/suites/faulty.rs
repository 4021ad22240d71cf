//! Stores that fail, and processes that die: at the write whose turn it is, before it or after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Notify;
use valetkey::clock::Timestamp;
use valetkey::error::StoreError;
use valetkey::registry::{Change, Condition, Due, Item, Key, Page, Registry, Written};
use valetkey::vault::{PutError, Vault};

/// What happens at the write whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the write is made.
    DeathBefore,
    /// The process dies when it is made and before it is answered.
    DeathAfter,
    /// The store is out of reach, once.
    FailsOnce,
    /// The store is out of reach from then on.
    Fails,
}

/// The writes of one process, to both stores, in one count.
#[derive(Debug, Clone)]
pub struct Plan(Arc<Planned>);

#[derive(Debug)]
struct Planned {
    turn: usize,
    fault: Option<Fault>,
    writes: AtomicUsize,
    died: Notify,
    woken: Notify,
}

impl Plan {
    /// Plans a fault at the write number `turn`, from 1.
    pub fn new(turn: usize, fault: Option<Fault>) -> Self {
        Self(Arc::new(Planned {
            turn,
            fault,
            writes: AtomicUsize::new(0),
            died: Notify::new(),
            woken: Notify::new(),
        }))
    }

    /// Runs what a process does until the process dies in it.
    pub async fn dies_in<T>(&self, doing: impl Future<Output = T>) {
        tokio::select! {
            biased;
            () = self.0.died.notified() => {}
            _ = doing => panic!("it lives on after write {}", self.0.turn),
        }
    }

    /// Tells how many writes there were.
    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// Lets a process that was taken for dead go on where it stood.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    async fn die(&self) {
        self.0.died.notify_one();
        self.0.woken.notified().await;
    }

    async fn write<T, E: From<StoreError>>(&self, write: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let number = self.0.writes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.0.fault {
            Some(Fault::DeathBefore) if number == self.0.turn => self.die().await,
            Some(Fault::FailsOnce) if number == self.0.turn => {
                return Err(StoreError::Unavailable("planned".into()).into());
            }
            Some(Fault::Fails) if number >= self.0.turn => {
                return Err(StoreError::Unavailable("planned".into()).into());
            }
            _ => {}
        }
        let written = write.await;
        if self.0.fault == Some(Fault::DeathAfter) && number == self.0.turn {
            self.die().await;
        }
        written
    }
}

/// A store that follows a plan.
pub struct Faulty<S>(pub S, pub Plan);

#[async_trait]
impl<V: Vault> Vault for Faulty<V> {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.1.write(self.0.create(secret, version, text)).await
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.1.write(self.0.put(secret, version, text)).await
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        self.0.get(secret, version).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        self.1.write(self.0.remove(secret)).await
    }
}

#[async_trait]
impl<R: Registry> Registry for Faulty<R> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.0.get(key).await
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        self.1.write(self.0.insert(key, item)).await
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        self.1.write(self.0.update(key, change)).await
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        self.1.write(self.0.remove(key, conditions)).await
    }

    async fn list(
        &self,
        part: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.list(part, prefix, after, limit).await
    }

    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.0.due(agenda, until, after, limit).await
    }

    async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        self.1.write(self.0.next(counter)).await
    }
}
