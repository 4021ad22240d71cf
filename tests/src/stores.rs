//! Stores with a hook before and after each operation: to fail, to stop, to lose a reply, to look.

pub mod memory;
pub mod plan;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use broker::clock::Timestamp;
use broker::store::StoreError;
use broker::store::records::{Change, Condition, Due, Item, Key, Page, Registry, Scanned, Written};
use broker::store::secrets::{PutError, Vault};
use secrecy::SecretString;

/// What is asked of a store.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    /// The store and the verb.
    pub name: &'static str,
    /// What it is about: an item's sort key, a list's prefix, a counter, an agenda or a secret.
    pub of: &'a str,
    /// The partition of the item that it is about; empty when it is about something else.
    pub partition: &'a str,
}

impl Operation<'_> {
    /// Tells whether it changes Secrets Manager.
    pub fn is_vault_write(&self) -> bool {
        self.is_write() && self.name.starts_with("vault ")
    }

    /// Tells whether it changes the store.
    pub fn is_write(&self) -> bool {
        const READS: [&str; 6] =
            ["vault get", "vault list", "registry get", "registry list", "registry due", "registry scan"];
        !READS.contains(&self.name)
    }
}

/// What becomes of the reply to an operation.
pub enum Reply {
    /// It arrives.
    Arrives,
    /// It is lost, and the operation is made once more, as an SDK does on a broken connection.
    IsLost,
}

/// What is done around each operation of a store.
#[async_trait]
pub trait Hook: Send + Sync {
    /// What `before` leaves for `after`.
    type Note: Send;

    /// Comes before an operation. An error is answered in its place.
    async fn before(&self, operation: &Operation<'_>) -> Result<Self::Note, StoreError>;

    /// Comes after it, with whether it succeeded. An error is answered in the place of its reply.
    async fn after(&self, operation: &Operation<'_>, note: Self::Note, ok: bool)
    -> Result<Reply, StoreError>;
}

/// A store with a hook, or several connections to one store, which take turns.
pub struct Hooked<S, H> {
    connections: Vec<S>,
    turn: AtomicUsize,
    hook: H,
}

impl<S, H: Hook> Hooked<S, H> {
    /// Puts a hook around a store.
    pub fn new(store: S, hook: H) -> Self {
        Self::over(vec![store], hook)
    }

    /// Puts a hook around several connections to a store.
    pub fn over(connections: Vec<S>, hook: H) -> Self {
        Self { connections, turn: AtomicUsize::new(0), hook }
    }

    async fn make<'a, T, E, F>(&'a self, operation: Operation<'_>, make: impl Fn(&'a S) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let next = || &self.connections[self.turn.fetch_add(1, Ordering::SeqCst) % self.connections.len()];
        let note = self.hook.before(&operation).await?;
        let made = make(next()).await;
        match self.hook.after(&operation, note, made.is_ok()).await? {
            Reply::Arrives => made,
            Reply::IsLost => make(next()).await,
        }
    }
}

fn operation<'a>(name: &'static str, of: &'a str) -> Operation<'a> {
    Operation { name, of, partition: "" }
}

fn of_item<'a>(name: &'static str, key: &'a Key) -> Operation<'a> {
    Operation { name, of: &key.sort, partition: &key.partition }
}

#[async_trait]
impl<V: Vault, H: Hook> Vault for Hooked<V, H> {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.make(operation("vault create", secret), |store| store.create(secret, version, text)).await
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.make(operation("vault put", secret), |store| store.put(secret, version, text)).await
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        self.make(operation("vault get", secret), |store| store.get(secret, version)).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        self.make(operation("vault remove", secret), |store| store.remove(secret)).await
    }

    async fn secrets(&self) -> Result<Vec<String>, StoreError> {
        self.make(operation("vault list", ""), Vault::secrets).await
    }

    async fn versions(&self, secret: &str) -> Result<Vec<String>, StoreError> {
        self.make(operation("vault list", secret), |store| store.versions(secret)).await
    }
}

#[async_trait]
impl<R: Registry, H: Hook> Registry for Hooked<R, H> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.make(of_item("registry get", key), |store| store.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let of = keys.first().map_or("", |key| &key.sort);
        self.make(operation("registry get", of), |store| store.get_many(keys)).await
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        self.make(of_item("registry insert", key), |store| store.insert(key, item.clone())).await
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        self.make(of_item("registry update", key), |store| store.update(key, change.clone())).await
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        let operation = of_item("registry remove", key);
        self.make(operation, |store| store.remove(key, conditions.clone())).await
    }

    async fn list(
        &self,
        part: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.make(operation("registry list", prefix), |store| store.list(part, prefix, after, limit)).await
    }

    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.make(operation("registry due", agenda), |store| store.due(agenda, until, after, limit)).await
    }

    async fn farthest(&self, agenda: &str, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.make(operation("registry due", agenda), |store| store.farthest(agenda, limit)).await
    }

    async fn scan(&self, from: Option<&Key>, limit: usize) -> Result<Scanned, StoreError> {
        self.make(operation("registry scan", ""), |store| store.scan(from, limit)).await
    }

    async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        self.make(operation("registry next", counter), |store| store.next(counter)).await
    }
}
