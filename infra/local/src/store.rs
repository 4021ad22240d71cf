//! The embedded store: one SQLite database behind both seams.
//!
//! Every change is on the disk before it is answered (`WAL` with `synchronous = FULL`), so a process
//! that is killed at any moment loses nothing that it has answered.

mod registry;
mod vault;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::seal::envelope::Seal;
use broker::store::StoreError;
pub use registry::SqliteRegistry;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
pub use vault::SqliteVault;

/// The steps from an empty database to today's schema. Its header counts those that were made, and a
/// database of an earlier version takes the rest; a step is never edited.
const SCHEMA: [&str; 4] = [
    "
    CREATE TABLE items (
        partition  TEXT NOT NULL,
        sort       TEXT NOT NULL,
        attributes TEXT NOT NULL,
        expires    INTEGER AS (json_extract(attributes, '$.expires')),
        PRIMARY KEY (partition, sort)
    ) WITHOUT ROWID;
    CREATE INDEX items_by_expiry ON items (expires) WHERE expires IS NOT NULL;
    CREATE TABLE secrets (
        secret  TEXT NOT NULL,
        version TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (secret, version)
    ) WITHOUT ROWID;
    CREATE TABLE seal (proof BLOB NOT NULL);
    ",
    "
    ALTER TABLE items ADD COLUMN agenda TEXT AS (json_extract(attributes, '$.agenda'));
    ALTER TABLE items ADD COLUMN due INTEGER AS (json_extract(attributes, '$.due'));
    CREATE INDEX items_by_agenda ON items (agenda, due) WHERE due IS NOT NULL;
    ",
    "
    ALTER TABLE secrets ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
    ",
    // Instances that were there before are looked at once, and then have a time of their own.
    "
    UPDATE items SET attributes = json_set(
        attributes,
        '$.agenda', json_extract(attributes, '$.element') || '#' || (json_extract(attributes, '$.id') % 4),
        '$.due', unixepoch()
    ) WHERE sort GLOB 'instance#*' AND agenda IS NULL;
    ",
];

/// How long to wait for another process that has the database, before the request is told to try again.
const BUSY: Duration = Duration::from_secs(5);

/// Up to this size a database is read through for damage when it is opened, in bytes.
const CHECKED: u64 = 64 * 1024 * 1024;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or written.
    #[error("The database {path} cannot be opened: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system or SQLite says.
        cause: String,
    },
    /// The file is not what was written.
    #[error(
        "The database {path} is damaged ({cause}): put back a backup of its folder, or move the folder away to begin anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: String,
    },
    /// A later version of valetkey has made it.
    #[error("The database {path} was made by a later version of valetkey: use that one")]
    Later {
        /// The file.
        path: PathBuf,
    },
    /// The key file is not the one that its secrets were sealed with.
    #[error("The key file does not fit the database {path}: put back the key file that it was made with")]
    WrongKey {
        /// The file.
        path: PathBuf,
    },
}

/// An open database, shared by all that use it.
#[derive(Debug, Clone)]
pub struct Database {
    connection: Arc<Mutex<Connection>>,
}

impl Database {
    /// Opens the broker's database, making it when it is missing.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, &SCHEMA, "FULL")
    }

    /// Opens a database of another schema.
    pub(crate) fn open_with(path: &Path, schema: &[&str], sync: &str) -> Result<Self, OpenError> {
        let size = make_file(path)
            .map_err(|cause| OpenError::Unusable { path: path.into(), cause: cause.to_string() })?;
        let connection = Connection::open(path).and_then(|mut connection| {
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", sync)?;
            let later = prepare(&mut connection, schema)?;
            let sound = if size <= CHECKED { check(&connection)? } else { "ok".to_owned() };
            Ok((connection, later, sound))
        });
        let (connection, later, sound) = connection.map_err(|error| opening(path, &error))?;
        if sound != "ok" {
            return Err(OpenError::Damaged { path: path.into(), cause: sound });
        }
        if later {
            return Err(OpenError::Later { path: path.into() });
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Checks that the database was sealed with this seal; a new one takes it.
    pub fn bind(&self, path: &Path, seal: &Seal) -> Result<(), OpenError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let proven = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let proof =
                    transaction.query_row("SELECT proof FROM seal", [], |row| row.get::<_, Vec<u8>>(0));
                let proven = match proof {
                    Ok(proof) => seal.open(["seal", "proof"], &proof).is_some(),
                    Err(rusqlite::Error::QueryReturnedNoRows) => {
                        let proof = seal.close(["seal", "proof"], b"valetkey");
                        transaction.execute("INSERT INTO seal VALUES (?1)", [proof])?;
                        true
                    }
                    Err(error) => return Err(error),
                };
                transaction.commit()?;
                Ok(proven)
            })
            .map_err(|error| opening(path, &error))?;
        if proven { Ok(()) } else { Err(OpenError::WrongKey { path: path.into() }) }
    }

    /// Runs work in a transaction of its own, off the threads that serve requests. The transaction is
    /// committed when the work succeeds and undone when it fails.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let worked = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        match worked.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(WorkError::Store(error))) => Err(error),
            Ok(Err(WorkError::Sqlite(error))) => Err(working(&error)),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}

/// Why work in a transaction failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an empty file that only its owner may read, when there is none; tells its size. It is closed
/// before SQLite opens it, and an existing one is not opened at all: closing any descriptor of a file
/// drops the locks that SQLite holds on it (POSIX `fcntl`), and another process would then take away
/// its write-ahead log.
fn make_file(path: &Path) -> std::io::Result<u64> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => Err(cause),
        _ => Ok(fs::metadata(path)?.len()),
    }
}

/// Makes the steps of the schema that a database lacks; tells whether it has more than these.
fn prepare(connection: &mut Connection, schema: &[&str]) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (number, step) in (1..).zip(schema).filter(|(number, _)| *number > made) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.commit()?;
    Ok(usize::try_from(made).is_ok_and(|made| made > schema.len()))
}

fn check(connection: &Connection) -> rusqlite::Result<String> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(said.replace('\n', " "))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn opening(path: &Path, error: &rusqlite::Error) -> OpenError {
    let cause = error.to_string().lines().next().unwrap_or_default().to_owned();
    let path = path.into();
    if is_damage(error) { OpenError::Damaged { path, cause } } else { OpenError::Unusable { path, cause } }
}

fn working(error: &rusqlite::Error) -> StoreError {
    let passing = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
        )
    );
    if passing { StoreError::Unavailable(error.to_string()) } else { StoreError::Damaged(error.to_string()) }
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use broker::store::records::{Key, Registry};

    use super::*;

    #[tokio::test]
    async fn an_instance_of_an_earlier_version_comes_onto_its_agenda() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("valetkey.db");
        let first = Database::open_with(&path, &SCHEMA[..1], "FULL").unwrap();
        let work = |transaction: &rusqlite::Transaction<'_>| {
            let item = r#"{"element":"google","id":7,"state":"live"}"#;
            let insert =
                "INSERT INTO items (partition, sort, attributes) VALUES ('user#1', 'instance#7', ?1)";
            Ok(transaction.execute(insert, [item])?)
        };
        first.run(work).await.unwrap();
        drop(first);
        let registry = SqliteRegistry::new(Database::open(&path).unwrap());
        let due = registry.due("google#3", i64::MAX, None, 10).await.unwrap();
        assert_eq!(
            due.into_iter().map(|due| due.key).collect::<Vec<_>>(),
            [Key::new("user#1", "instance#7")]
        );
    }
}
