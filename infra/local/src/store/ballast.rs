//! A file that takes up room until the disk is full. Then it goes, so that what is under way can still be written; no
//! vendor is asked until it is back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::store::retry::Health;

/// Its size, in bytes: room for about a thousand grants.
const SIZE: usize = 4 * 1024 * 1024;

/// The file, and what is told of it.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    health: Arc<Health>,
    is_there: AtomicBool,
}

impl Ballast {
    /// Makes the file, if there is room.
    pub fn new(path: PathBuf, health: Arc<Health>) -> Self {
        let ballast = Self { path, health, is_there: AtomicBool::new(false) };
        ballast.restore();
        ballast
    }

    /// The disk is full: gives the room up.
    pub(crate) fn give_up(&self) {
        self.health.close();
        if self.is_there.swap(false, Ordering::SeqCst) {
            tracing::error!(
                count.DiskFull = 1,
                "the disk is full: what is under way is written, no vendor is asked"
            );
            if let Err(cause) = fs::remove_file(&self.path) {
                tracing::error!(%cause, "the ballast file cannot be removed");
            }
        }
    }

    /// Makes the file again, if there is room. Vendors are asked again then.
    pub fn restore(&self) {
        if self.is_there.load(Ordering::SeqCst) {
            return;
        }
        match self.write() {
            Ok(()) => {
                self.is_there.store(true, Ordering::SeqCst);
                self.health.open();
            }
            Err(cause) => {
                let _ = fs::remove_file(&self.path);
                self.health.close();
                tracing::error!(%cause, "there is no room for the ballast file: no vendor is asked until there is");
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        let whole = |metadata: fs::Metadata| metadata.len() == SIZE as u64;
        if fs::metadata(&self.path).is_ok_and(whole) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let mut file: File = options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        file.write_all(&vec![0; SIZE])?;
        file.sync_all()
    }
}
