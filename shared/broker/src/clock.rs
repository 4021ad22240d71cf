//! The time: the only place that reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970-01-01T00:00:00Z.
pub type Timestamp = i64;

/// How much the clocks of two processes may differ, in seconds.
pub const SKEW: Timestamp = 300;

/// Tells whether no right clock can have written a time yet.
pub fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time > now.saturating_add(SKEW)
}

/// Tells the time: the system's, or one that a test sets.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until it is set.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// Makes a clock that stands at `now`.
    pub fn fixed(now: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now)))
    }

    /// Tells the time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            }
            Self::Fixed(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// Measures how long something took; the system's clock may jump, this one does not.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Tells whether less than this has passed.
    pub fn is_before(&self, limit: Duration) -> bool {
        self.0.elapsed() < limit
    }

    /// Tells the milliseconds since the start.
    pub fn milliseconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1_000.0
    }
}

/// Tells the milliseconds since 1970-01-01T00:00:00Z, for the log.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn log_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Writes a time as RFC 3339 in UTC, such as `2026-08-07T18:46:38Z`.
pub fn rfc3339(timestamp: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(timestamp)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Writes a time in milliseconds since 1970 as RFC 3339 in UTC.
pub fn rfc3339_milliseconds(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_where_it_was_set() {
        let clock = Clock::fixed(1_786_128_398);
        assert_eq!(rfc3339(clock.now()), "2026-08-07T18:46:38Z");
    }
}
