//! How long a request tries, so that what a vendor gives is kept.
//!
//! A request has 28 s. The vendor may take 10 s of them, and a call of a store 5 s with its own repetitions.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{Stopwatch, Timestamp};
use crate::random;
use crate::store::error::StoreError;

/// How long a request goes on, counted from its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A vendor is not asked after this: there must be time to keep its answer.
    pub ask: Duration,
    /// The last attempt to reach a store begins before this.
    pub store: Duration,
    /// How often that is tried at most.
    pub attempts: u32,
    /// The longest wait before the second attempt. It doubles before each further one, up to 2 s.
    pub wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ask: Duration::from_secs(7),
            store: Duration::from_secs(22),
            attempts: u32::MAX,
            wait: Duration::from_millis(50),
        }
    }
}

/// A request's time. It travels along with what the request does.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    watch: Stopwatch,
    patience: Patience,
}

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Deadline {
    /// Counts from when `watch` was started.
    pub fn new(watch: Stopwatch, patience: Patience) -> Self {
        Self { watch, patience }
    }

    /// Removes the limits on storing: attempts continue for as long as the process runs.
    pub(crate) fn without_end(self) -> Self {
        let patience = Patience { store: Duration::MAX, attempts: u32::MAX, ..self.patience };
        Self { patience, ..self }
    }

    /// Tells whether there is time to ask a vendor and to keep its answer.
    pub fn may_ask(self) -> bool {
        self.watch.is_before(self.patience.ask)
    }

    /// Tells whether less than this has passed.
    pub fn is_before(self, limit: Duration) -> bool {
        self.watch.is_before(limit)
    }

    /// Asks a store, and repeats that while it fails for a temporary reason and there is time. It must be something that
    /// can be repeated.
    pub(crate) async fn persist<T, F>(self, mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (mut bound, mut made) = (self.patience.wait, 1);
        loop {
            match attempt().await {
                Err(cause) if cause.is_temporary() && made < self.patience.attempts && self.has_time() => {
                    tracing::warn!(%cause, "a store failed and is asked again");
                }
                outcome => return outcome,
            }
            let bound_in_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
            tokio::time::sleep(Duration::from_millis(random::between(0, bound_in_ms))).await;
            (bound, made) = ((bound * 2).min(LONGEST_WAIT), made + 1);
        }
    }

    fn has_time(self) -> bool {
        self.watch.is_before(self.patience.store)
    }
}

/// How long no vendor is asked after a write of the table has failed, in seconds.
const PAUSE: Timestamp = 30;

/// Whether the table takes writes, as far as this process has seen. While it does not, no vendor is asked: its answer
/// could not be kept. A condition that does not hold is no failure.
#[derive(Debug, Default)]
pub struct Health {
    until: AtomicI64,
    closed: AtomicBool,
}

impl Health {
    /// Notes how a write went.
    pub(crate) fn note<T>(&self, now: Timestamp, outcome: &Result<T, StoreError>) {
        match outcome {
            Ok(_) => self.until.store(0, Ordering::Relaxed),
            Err(cause) if cause.is_temporary() => self.until.store(now + PAUSE, Ordering::Relaxed),
            Err(_) => {}
        }
    }

    /// No vendor is asked until it is opened again: there is no room left, whatever single writes may say.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Vendors are asked again.
    pub fn open(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    /// Tells for how many seconds no vendor is asked.
    pub(crate) fn pause(&self, now: Timestamp) -> Option<u64> {
        if self.closed.load(Ordering::Relaxed) {
            return Some(PAUSE.unsigned_abs());
        }
        let left = self.until.load(Ordering::Relaxed) - now;
        // A clock that was set back meanwhile does not prolong it.
        (1..=PAUSE).contains(&left).then(|| left.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn deadline(attempts: u32) -> Deadline {
        let patience = Patience { attempts, wait: Duration::ZERO, ..Patience::default() };
        Deadline::new(Stopwatch::start(), patience)
    }

    fn denied() -> Result<(), StoreError> {
        Err(StoreError::Denied("AccessDeniedException".into()))
    }

    #[tokio::test]
    async fn a_denied_write_is_repeated_until_it_succeeds_or_time_is_up() {
        let made = Cell::new(0);
        let write = || {
            made.set(made.get() + 1);
            let outcome = if made.get() < 3 { denied() } else { Ok(()) };
            async { outcome }
        };
        assert!(deadline(9).persist(write).await.is_ok());
        assert_eq!(made.get(), 3);
        assert!(deadline(2).persist(|| async { denied() }).await.is_err());
        let late = Patience { store: Duration::ZERO, ..Patience::default() };
        assert!(Deadline::new(Stopwatch::start(), late).persist(|| async { denied() }).await.is_err());
    }

    #[tokio::test]
    async fn what_is_damaged_is_not_repeated() {
        let made = Cell::new(0);
        let write = || {
            made.set(made.get() + 1);
            async { Err::<(), _>(StoreError::Damaged(String::new())) }
        };
        assert!(deadline(9).persist(write).await.is_err());
        assert_eq!(made.get(), 1);
    }

    #[test]
    fn a_table_that_refuses_writes_stops_the_asking_of_vendors_for_a_while() {
        let health = Health::default();
        assert_eq!(health.pause(100), None);
        health.note(100, &denied());
        assert_eq!((health.pause(100), health.pause(129), health.pause(130)), (Some(30), Some(1), None));
        assert_eq!(health.pause(-1_000), None, "the clock was set back");
        health.note(101, &Ok(()));
        assert_eq!(health.pause(101), None);
        health.close();
        health.note(101, &Ok(()));
        assert_eq!(health.pause(101), Some(30), "there is no room");
        health.open();
        assert_eq!(health.pause(101), None);
    }
}
