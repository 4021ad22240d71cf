//! Stores that fail, and processes that die or stall: at the operation whose turn it is, before it or after it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use valetkey::clock::Timestamp;
use valetkey::error::StoreError;
use valetkey::registry::{Change, Condition, Due, Item, Key, Page, Registry, Written};
use valetkey::vault::{PutError, Vault};

/// What happens at the operation whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the operation is made; woken, it was only stalled, and goes on.
    DeathBefore,
    /// The process dies when it is made and before it is answered; woken, it goes on.
    DeathAfter,
    /// The store is out of reach, once.
    FailsOnce,
    /// The operation is made, and the store says that it is out of reach, once.
    LosesReply,
    /// The store is out of reach from then on.
    Fails,
}

/// The operations of one process, to both stores, in one count.
#[derive(Clone)]
pub struct Plan(Arc<Planned>);

struct Planned {
    /// What happens at the operation of this number, from 1.
    fault: Box<dyn Fn(usize) -> Option<Fault> + Send + Sync>,
    counts_reads: bool,
    made: Mutex<Vec<&'static str>>,
    dead: watch::Sender<bool>,
    died: Notify,
}

impl Plan {
    /// Plans a fault at the write number `turn`, from 1.
    pub fn new(turn: usize, fault: Option<Fault>) -> Self {
        Self::by(false, at(turn, fault))
    }

    /// Plans a fault at the operation number `turn`, from 1, reads among them.
    pub fn everywhere(turn: usize, fault: Option<Fault>) -> Self {
        Self::by(true, at(turn, fault))
    }

    /// Plans faults by the operation's number, from 1; whether reads are counted among them.
    pub fn by(counts_reads: bool, fault: impl Fn(usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let (made, dead) = (Mutex::default(), watch::Sender::new(false));
        Self(Arc::new(Planned { fault: Box::new(fault), counts_reads, made, dead, died: Notify::new() }))
    }

    /// Runs what a process does until the process dies in it.
    pub async fn dies_in<T>(&self, doing: impl Future<Output = T>) {
        tokio::select! {
            biased;
            () = self.died() => {}
            _ = doing => panic!("it lives on after {:?}", self.made()),
        }
    }

    /// Waits until the process has died or stalls.
    pub async fn died(&self) {
        self.0.died.notified().await;
    }

    /// Tells whether the process has died or stalls.
    pub fn is_dead(&self) -> bool {
        *self.0.dead.borrow()
    }

    /// Names the operations that were begun, in their order.
    pub fn made(&self) -> Vec<&'static str> {
        self.0.made.lock().unwrap().clone()
    }

    /// Tells how many operations there were.
    pub fn writes(&self) -> usize {
        self.made().len()
    }

    /// Lets a process that was taken for dead go on where it stood.
    pub fn wake(&self) {
        self.0.dead.send_replace(false);
    }

    async fn die(&self) {
        self.0.dead.send_replace(true);
        self.0.died.notify_one();
        self.alive().await;
    }

    /// Waits as long as the process is dead: nothing of it goes on.
    async fn alive(&self) {
        let _ = self.0.dead.subscribe().wait_for(|dead| !dead).await;
    }

    async fn read<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.0.counts_reads { self.make(name, read).await } else { read.await }
    }

    async fn make<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.alive().await;
        let number = {
            let mut made = self.0.made.lock().unwrap();
            made.push(name);
            made.len()
        };
        let unreachable = || Err(StoreError::Unavailable("planned".into()).into());
        let fault = (self.0.fault)(number);
        match fault {
            Some(Fault::DeathBefore) => self.die().await,
            Some(Fault::FailsOnce | Fault::Fails) => return unreachable(),
            _ => {}
        }
        let made = operation.await;
        self.alive().await;
        match fault {
            Some(Fault::DeathAfter) => self.die().await,
            Some(Fault::LosesReply) => return unreachable(),
            _ => {}
        }
        made
    }
}

/// A fault at one operation; a store that fails for good does so from then on.
fn at(turn: usize, fault: Option<Fault>) -> impl Fn(usize) -> Option<Fault> {
    move |number| {
        let lasts = fault == Some(Fault::Fails) && number > turn;
        fault.filter(|_| number == turn || lasts)
    }
}

/// A store that follows a plan.
pub struct Faulty<S>(pub S, pub Plan);

#[async_trait]
impl<V: Vault> Vault for Faulty<V> {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.1.make("vault create", self.0.create(secret, version, text)).await
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.1.make("vault put", self.0.put(secret, version, text)).await
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        self.1.read("vault get", self.0.get(secret, version)).await
    }

    async fn latest(&self, secret: &str) -> Result<Option<(String, SecretString)>, StoreError> {
        self.1.read("vault get", self.0.latest(secret)).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        self.1.make("vault remove", self.0.remove(secret)).await
    }
}

#[async_trait]
impl<R: Registry> Registry for Faulty<R> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.1.read("registry get", self.0.get(key)).await
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        self.1.make("registry insert", self.0.insert(key, item)).await
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        self.1.make("registry update", self.0.update(key, change)).await
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        self.1.make("registry remove", self.0.remove(key, conditions)).await
    }

    async fn list(
        &self,
        part: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.1.read("registry list", self.0.list(part, prefix, after, limit)).await
    }

    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.1.read("registry due", self.0.due(agenda, until, after, limit)).await
    }

    async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        self.1.make("registry next", self.0.next(counter)).await
    }
}
