//! The embedded store, and the tests' own vault, pass the contract suites.

use std::future::ready;
use std::path::Path;

use tempfile::TempDir;
use tests::stores::memory::MemoryVault;
use valetkey::store::{Database, SqliteRegistry};

fn database(folder: &Path) -> Database {
    Database::open(&folder.join("valetkey.db")).unwrap()
}

mod vault {
    use super::*;

    tests::vault_suite!(ready((MemoryVault::default(), ())));
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
    use tests::stores::Hooked;
    use tests::stores::plan::Plan;

    fn sqlite() -> (Hooked<SqliteRegistry, Plan>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let one = || SqliteRegistry::new(database(folder.path()));
        (Hooked::over(vec![one(), one()], Plan::sound()), folder)
    }

    tests::registry_suite!(ready(sqlite()));
}
