//! The embedded store: one SQLite database with every record.
//!
//! Every change is on the disk before it is answered (`WAL` with `synchronous = FULL`), so a process
//! that is killed at any moment loses nothing that it has answered.

mod ballast;
mod registry;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use ballast::Ballast;
use broker::seal::keyring::Keyring;
use broker::store::StoreError;
pub use registry::SqliteRegistry;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

/// The steps from an empty database to today's schema. Its header counts those that were made, and a
/// database of an earlier version takes the rest; a step is never edited.
const SCHEMA: [&str; 2] = [
    "
    CREATE TABLE items (
        partition  TEXT NOT NULL,
        sort       TEXT NOT NULL,
        attributes TEXT NOT NULL,
        expires    INTEGER AS (json_extract(attributes, '$.expires')),
        agenda     TEXT AS (json_extract(attributes, '$.agenda')),
        due        INTEGER AS (json_extract(attributes, '$.due')),
        PRIMARY KEY (partition, sort)
    ) WITHOUT ROWID;
    CREATE INDEX items_by_expiry ON items (expires) WHERE expires IS NOT NULL;
    CREATE INDEX items_by_agenda ON items (agenda, due) WHERE due IS NOT NULL;
    CREATE TABLE seal (proof TEXT NOT NULL);
",
    "CREATE TABLE home (identity TEXT NOT NULL);",
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
    ballast: Option<Arc<Ballast>>,
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
        Ok(Self { connection: Arc::new(Mutex::new(connection)), ballast: None })
    }

    /// Opens a backup, which stays as it is.
    pub fn open_backup(path: &Path) -> Result<Self, OpenError> {
        let opened =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|connection| {
                let made: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
                let sound = check(&connection)?;
                Ok((connection, made, sound))
            });
        let (connection, made, sound) = opened.map_err(|error| opening(path, &error))?;
        if made == 0 || sound != "ok" {
            let cause = if made == 0 { "it holds nothing".into() } else { sound };
            return Err(OpenError::Damaged { path: path.into(), cause });
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)), ballast: None })
    }

    /// Takes a ballast file along, which goes when the disk is full.
    pub fn carry(&mut self, ballast: Ballast) -> Arc<Ballast> {
        let ballast = Arc::new(ballast);
        self.ballast = Some(Arc::clone(&ballast));
        ballast
    }

    /// Checks that the database was sealed with this seal; a new one takes it.
    pub fn bind(&self, path: &Path, keyring: &Keyring) -> Result<(), OpenError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let proven = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let proof =
                    transaction.query_row("SELECT proof FROM seal", [], |row| row.get::<_, String>(0));
                let proven = match proof {
                    Ok(proof) => keyring.open(&["seal", "proof"], &proof).is_some(),
                    Err(rusqlite::Error::QueryReturnedNoRows) => {
                        let proof = keyring.seal(&["seal", "proof"], "valetkey");
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

    /// Reads where the database was used last, as [`Self::settle_in`] was told.
    pub(crate) fn home(&self) -> rusqlite::Result<Option<String>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.query_row("SELECT identity FROM home", [], |row| row.get(0)).optional()
    }

    /// Writes down where the database is used.
    pub(crate) fn settle_in(&self, identity: &str) -> rusqlite::Result<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM home", [])?;
        transaction.execute("INSERT INTO home VALUES (?1)", [identity])?;
        transaction.commit()
    }

    /// Writes all of it as it is now to a new file that only its owner may read. Others may use the database meanwhile.
    pub fn back_up(&self, to: &Path) -> io::Result<()> {
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(to)?;
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let written = connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(io::Error::other);
        let written = written.and_then(|_| File::open(to)?.sync_all());
        written.inspect_err(|_| drop(fs::remove_file(to)))
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
            Ok(Err(WorkError::Sqlite(error))) => {
                if let Some(ballast) = self.ballast.as_ref().filter(|_| has_no_room(&error)) {
                    ballast.give_up();
                }
                Err(working(&error))
            }
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
fn make_file(path: &Path) -> io::Result<u64> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
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

/// A quota that is used up is an I/O error for SQLite.
fn has_no_room(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}

fn opening(path: &Path, error: &rusqlite::Error) -> OpenError {
    let cause = error.to_string().lines().next().unwrap_or_default().to_owned();
    let path = path.into();
    if is_damage(error) { OpenError::Damaged { path, cause } } else { OpenError::Unusable { path, cause } }
}

fn working(error: &rusqlite::Error) -> StoreError {
    // Full, locked, read-only: it is worth trying again. Only what cannot be read is damaged.
    if is_damage(error) || error.sqlite_error_code().is_none() {
        StoreError::Damaged(error.to_string())
    } else {
        StoreError::Unavailable(error.to_string())
    }
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
