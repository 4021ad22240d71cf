//! Which folder this is, and that one process uses it. Two processes that refresh the same grants end them: vendors that
//! rotate refresh tokens take a second use for theft. So a second process on one folder is refused, and so is a folder
//! that was copied, restored or moved to another machine, until somebody says that the original is not used any more.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::Database;

/// The files that name a machine; the first that is there counts.
const MACHINE_IDS: [&str; 3] = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostname"];

/// Why a folder must not be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another process has it.
    #[error(
        "Another valetkey uses the folder {}: stop it, or name another folder with --data DIR. Two of them would end each \
         other's grants", .0.display()
    )]
    InUse(PathBuf),
    /// It is a copy, or belongs to another machine.
    #[error(
        "The database {} {what}. If the original is used as well, each refreshes the same grants, and vendors that rotate \
         refresh tokens end them. Make sure that the original is not used any more, then start once with --take-over; the \
         original is not told", path.display()
    )]
    Foreign {
        /// The database.
        path: PathBuf,
        /// What was seen.
        what: &'static str,
    },
    /// A file of it cannot be read or written.
    #[error("{} cannot be used: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
}

/// Where a database was when it was used last. The database itself holds it, so that every copy has it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    machine: String,
    inode: u64,
    device: u64,
}

/// Holds a folder: as long as this lives, no other process uses it. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Locks a folder.
pub fn lock(folder: &Path) -> Result<Lock, IdentityError> {
    let path = folder.join("lock");
    let unusable = |cause| IdentityError::Unusable { path: path.clone(), cause };
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(IdentityError::InUse(folder.to_owned())),
        Err(TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

/// Checks that a database is the one that was used before, by this machine; `machine` names it where the system does not,
/// as in a container. With `take_over` it is from now on.
pub fn check(
    database: &Database,
    path: &Path,
    machine: Option<&str>,
    take_over: bool,
) -> Result<(), IdentityError> {
    let unusable = |cause| IdentityError::Unusable { path: path.to_owned(), cause };
    let file = fs::metadata(path).map_err(unusable)?;
    let machine = machine.map_or_else(machine_id, str::to_owned);
    let now = Identity { machine, inode: file.ino(), device: file.dev() };
    let before = database.home().map_err(|cause| unusable(io::Error::other(cause)))?;
    let before = before.and_then(|text| serde_json::from_str::<Identity>(&text).ok());
    if let Some(before) = before.filter(|_| !take_over) {
        let what = if before.machine != now.machine {
            Some("was used on another machine before")
        } else if before.inode != now.inode {
            Some("is a copy, or was restored from a backup")
        } else {
            None
        };
        if let Some(what) = what {
            return Err(IdentityError::Foreign { path: path.to_owned(), what });
        }
        if before.device != now.device {
            tracing::warn!("the data folder is on another device than before");
        }
        if before == now {
            return Ok(());
        }
    }
    let text = serde_json::to_string(&now).map_err(|cause| unusable(cause.into()))?;
    database.settle_in(&text).map_err(|cause| unusable(io::Error::other(cause)))
}

fn machine_id() -> String {
    let read = |path: &&str| fs::read_to_string(path).ok().map(|id| id.trim().to_owned());
    MACHINE_IDS.iter().filter_map(read).find(|id| !id.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(IdentityError::InUse(_))));
        drop(first);
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_copy_and_another_machine_are_seen_and_can_be_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("valetkey.db");
        let check = |path: &Path, machine, take_over| {
            check(&Database::open(path).unwrap(), path, Some(machine), take_over)
        };
        check(&path, "a", false).unwrap();
        check(&path, "a", false).unwrap();
        let copy = folder.path().join("copy.db");
        Database::open(&path).unwrap().back_up(&copy).unwrap();
        let error = check(&copy, "a", false).unwrap_err().to_string();
        assert!(error.contains("copy") && error.contains("--take-over"), "{error}");
        check(&copy, "a", true).unwrap();
        check(&copy, "a", false).unwrap();
        let error = check(&copy, "b", false).unwrap_err().to_string();
        assert!(error.contains("another machine") && error.contains("not told"), "{error}");
        check(&path, "a", false).unwrap();
    }
}
