//! A registry whose replies to writes are lost: each is made, its reply dropped, and made again, as an
//! SDK does on a broken connection.

use async_trait::async_trait;
use valetkey::clock::Timestamp;
use valetkey::error::StoreError;
use valetkey::registry::{Change, Condition, Due, Item, Key, Page, Registry, Written};

/// Wraps a registry so that the first reply to every write is lost.
pub struct Lossy<R>(pub R);

#[async_trait]
impl<R: Registry> Registry for Lossy<R> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.0.get(key).await
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        self.0.insert(key, item.clone()).await?;
        self.0.insert(key, item).await
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        self.0.update(key, change.clone()).await?;
        self.0.update(key, change).await
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        self.0.remove(key, conditions.clone()).await?;
        self.0.remove(key, conditions).await
    }

    async fn list(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.list(partition, prefix, after, limit).await
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
        self.0.next(counter).await?;
        self.0.next(counter).await
    }
}
