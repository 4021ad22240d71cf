//! The embedded stores pass the contract suites.

use std::future::ready;
use std::path::Path;

use local::store::{Database, SqliteRegistry, SqliteVault};
use tempfile::TempDir;
use valetkey::keys::Key;
use valetkey::seal::Seal;

fn database(folder: &Path) -> Database {
    Database::open(&folder.join("valetkey.db")).unwrap()
}

mod vault {
    use super::*;

    fn sqlite() -> (SqliteVault, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::new(&Key::derive(b"master", "vault"));
        (SqliteVault::new(database(folder.path()), seal), folder)
    }

    tests::vault_suite!(ready(sqlite()));
}

mod registry {
    use super::*;

    fn sqlite() -> (SqliteRegistry, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (SqliteRegistry::new(database(folder.path())), folder)
    }

    tests::registry_suite!(ready(sqlite()));
}

/// Two connections to one database, as two processes would have.
mod registry_of_two_connections {
    use super::*;
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use valetkey::clock::Timestamp;
    use valetkey::error::StoreError;
    use valetkey::registry::{Change, Condition, Due, Item, Key as ItemKey, Page, Registry, Written};

    /// Sends each call to the next of two connections.
    struct Alternating([SqliteRegistry; 2], AtomicUsize);

    impl Alternating {
        fn next_one(&self) -> &SqliteRegistry {
            &self.0[self.1.fetch_add(1, Ordering::SeqCst) % 2]
        }
    }

    #[async_trait]
    impl Registry for Alternating {
        async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
            self.next_one().get(key).await
        }
        async fn insert(&self, key: &ItemKey, item: Item) -> Result<Written, StoreError> {
            self.next_one().insert(key, item).await
        }
        async fn update(&self, key: &ItemKey, change: Change) -> Result<Written, StoreError> {
            self.next_one().update(key, change).await
        }
        async fn remove(&self, key: &ItemKey, conditions: Vec<Condition>) -> Result<bool, StoreError> {
            self.next_one().remove(key, conditions).await
        }
        async fn list(
            &self,
            part: &str,
            prefix: &str,
            after: Option<&str>,
            limit: usize,
        ) -> Result<Page, StoreError> {
            self.next_one().list(part, prefix, after, limit).await
        }
        async fn due(
            &self,
            agenda: &str,
            until: Timestamp,
            after: Option<&Due>,
            limit: usize,
        ) -> Result<Vec<Due>, StoreError> {
            self.next_one().due(agenda, until, after, limit).await
        }
        async fn next(&self, counter: &str) -> Result<u64, StoreError> {
            self.next_one().next(counter).await
        }
    }

    fn sqlite() -> (Alternating, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let one = || SqliteRegistry::new(database(folder.path()));
        (Alternating([one(), one()], AtomicUsize::new(0)), folder)
    }

    tests::registry_suite!(ready(sqlite()));
}
