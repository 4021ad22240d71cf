//! The data folder: the key file, the database, and the first user's secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::random;
use broker::record::user;
use broker::seal::key::{self, Key, WeakSecret};
use broker::seal::keyring::Keyring;
use broker::store::StoreError;
use broker::store::records::Registry;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::identity::{self, IdentityError};
use crate::store::{self, Database, OpenError};

/// The folder that holds all that this process must not lose.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or the folder itself cannot be made, read or written.
    #[error("{path} cannot be {verb}: {cause}")]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// What the operating system says.
        cause: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} does not hold {what}: put back a backup of it")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A secret of the first user's is one that others could know.
    #[error("{member} in {path} is wrong: {cause}")]
    Weak {
        /// The file.
        path: PathBuf,
        /// The secret.
        member: &'static str,
        /// What is wrong with it.
        cause: WeakSecret,
    },
    /// The database is there and its key file is not.
    #[error(
        "The key file {path} is missing, and the database beside it cannot be opened without it: put it back"
    )]
    KeyMissing {
        /// The key file.
        path: PathBuf,
    },
    /// A backup is to be restored over a database.
    #[error("There is a database already, {path}: name a new folder with --data DIR")]
    NotEmpty {
        /// The database.
        path: PathBuf,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The first user cannot be made.
    #[error("The first user cannot be made: {0}")]
    FirstUser(#[from] StoreError),
}

/// The first user's secrets, as they stand in `first-user.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstUser {
    /// `User` in the `Authorization` header.
    #[serde(serialize_with = "expose")]
    pub user_secret: SecretString,
    /// `Organization` in the `Authorization` header.
    #[serde(serialize_with = "expose")]
    pub organization_secret: SecretString,
}

impl Folder {
    /// Opens a data folder, making it when it is missing.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        store::make_folder(path).map_err(|cause| unusable(path, "made", cause))?;
        fs::read_dir(path).map_err(|cause| unusable(path, "read", cause))?;
        Ok(Self(path.to_owned()))
    }

    /// Reads the deployment's master key, making it at the first start.
    pub fn master_key(&self) -> Result<SecretString, FolderError> {
        let path = self.file("key");
        if let Some(key) = read(&path)? {
            return parse_key(&path, &key);
        }
        if self.database_path().exists() {
            return Err(FolderError::KeyMissing { path });
        }
        write(&path, &STANDARD.encode(random::bytes::<32>()))?;
        let key = read(&path)?.ok_or_else(|| FolderError::KeyMissing { path: path.clone() })?;
        parse_key(&path, &key)
    }

    /// Opens the database, and makes the keys that its secrets are sealed with.
    pub fn database(&self, master: &SecretString) -> Result<(Database, Keyring), FolderError> {
        let path = self.database_path();
        let database = Database::open(&path)?;
        let keyring = Keyring::new(&Key::derive(master.expose_secret().as_bytes(), "grant"));
        database.bind(&path, &keyring)?;
        Ok((database, keyring))
    }

    /// Checks that the database is the one that was used before, on this machine.
    pub fn check_identity(
        &self,
        database: &Database,
        machine: Option<&str>,
        take_over: bool,
    ) -> Result<(), IdentityError> {
        identity::check(database, &self.database_path(), machine, take_over)
    }

    /// Writes the whole database, as it is now, to a new file. A process that uses it goes on.
    pub fn back_up(&self, to: &Path) -> Result<(), FolderError> {
        let path = self.database_path();
        if !path.exists() {
            return Err(unusable(&path, "backed up", io::ErrorKind::NotFound.into()));
        }
        Database::open(&path)?.back_up(to).map_err(|cause| unusable(to, "written", cause))
    }

    /// Makes the database of a backup. There must be none.
    pub fn restore(&self, from: &Path) -> Result<(), FolderError> {
        let path = self.database_path();
        if path.exists() {
            return Err(FolderError::NotEmpty { path });
        }
        Database::open_backup(from)?.back_up(&path).map_err(|cause| unusable(&path, "written", cause))
    }

    /// Names the file that is given up when the disk is full.
    pub fn ballast_path(&self) -> PathBuf {
        self.file("ballast")
    }

    /// Names the sandbox's own database.
    pub fn sandbox_path(&self) -> PathBuf {
        self.file("sandbox.db")
    }

    /// Names the file of the first user's secrets.
    pub fn first_user_path(&self) -> PathBuf {
        self.file("first-user.json")
    }

    /// Makes the first user, unless there is one; its secrets are on the disk before it is.
    pub async fn first_user(&self, registry: &dyn Registry) -> Result<Option<FirstUser>, FolderError> {
        if registry.get(&user::first_mark()).await?.is_some() {
            return Ok(None);
        }
        let path = self.first_user_path();
        let secrets = match read(&path)? {
            Some(text) => parse_first_user(&path, &text)?,
            None => write_first_user(&path)?,
        };
        let first = user::FirstUser {
            user_secret: secrets.user_secret.clone(),
            organization_secret: secrets.organization_secret.clone(),
        };
        first.make(registry).await?;
        Ok(Some(secrets))
    }

    fn database_path(&self) -> PathBuf {
        self.file("valetkey.db")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn parse_first_user(path: &Path, text: &str) -> Result<FirstUser, FolderError> {
    let secrets: FirstUser = serde_json::from_str(text).map_err(|_| FolderError::Malformed {
        path: path.to_owned(),
        what: "{\"userSecret\", \"organizationSecret\"}",
    })?;
    for (member, secret) in
        [("userSecret", &secrets.user_secret), ("organizationSecret", &secrets.organization_secret)]
    {
        let weak = |cause| FolderError::Weak { path: path.to_owned(), member, cause };
        key::check_secret(secret.expose_secret()).map_err(weak)?;
    }
    Ok(secrets)
}

fn write_first_user(path: &Path) -> Result<FirstUser, FolderError> {
    let secrets =
        FirstUser { user_secret: random::secret().into(), organization_secret: random::secret().into() };
    let text = serde_json::to_string(&secrets)
        .map_err(|cause| unusable(path, "written", io::Error::other(cause)))?;
    write(path, &text)?;
    Ok(secrets)
}

fn expose<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn parse_key(path: &Path, text: &str) -> Result<SecretString, FolderError> {
    let key = STANDARD.decode(text.trim()).ok().filter(|key| key.len() == 32);
    let malformed = || FolderError::Malformed { path: path.to_owned(), what: "a key of 32 bytes in base64" };
    key.map(|_| SecretString::from(text.trim())).ok_or_else(malformed)
}

fn read(path: &Path) -> Result<Option<String>, FolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(unusable(path, "read", cause)),
    }
}

/// Writes a file that only its owner may read, whole or not at all; one that is there already stays.
fn write(path: &Path, text: &str) -> Result<(), FolderError> {
    let written = || -> io::Result<()> {
        let draft = path.with_extension(format!("{}.new", random::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        match linked {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            _ => {}
        }
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    written().map_err(|cause| unusable(path, "written", cause))
}

fn unusable(path: &Path, verb: &'static str, cause: io::Error) -> FolderError {
    FolderError::Unusable { path: path.to_owned(), verb, cause }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use broker::id::UserId;

    use crate::store::SqliteRegistry;

    #[tokio::test]
    async fn the_first_start_makes_the_key_and_the_user_and_the_next_finds_them() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("data")).unwrap();
        let master = folder.master_key().unwrap();
        let (database, _) = folder.database(&master).unwrap();
        let registry = SqliteRegistry::new(database);
        let secrets = folder.first_user(&registry).await.unwrap().unwrap();
        assert!(folder.first_user(&registry).await.unwrap().is_none());
        assert_eq!(folder.master_key().unwrap().expose_secret(), master.expose_secret());
        let user = user::numbered(&registry, UserId(1)).await.unwrap().unwrap();
        assert!(user.has_secret(&secrets.user_secret) && user.belongs_to(&secrets.organization_secret));
        for name in ["key", "first-user.json", "valetkey.db"] {
            let mode = fs::metadata(folder.file(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_lost_foreign_or_spoilt_key_file_is_told_apart() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        folder.database(&folder.master_key().unwrap()).unwrap();
        let key = folder.file("key");
        fs::write(&key, STANDARD.encode([7; 32])).unwrap();
        let other = folder.master_key().unwrap();
        assert!(matches!(folder.database(&other), Err(FolderError::Database(OpenError::WrongKey { .. }))));
        fs::write(&key, "junk").unwrap();
        assert!(matches!(folder.master_key(), Err(FolderError::Malformed { .. })));
        fs::remove_file(&key).unwrap();
        assert!(matches!(folder.master_key(), Err(FolderError::KeyMissing { .. })));
    }
}
