//! The sweep, by a schedule: keeps grants alive that nobody asks for, and finishes what a crash has left.

use std::time::Duration;

use broker::Broker;
use broker::clock::Stopwatch;
use broker::grant::sweep::{Limits, sweep};
use broker::store::StoreError;

/// What a pass on AWS may do: half of the 50 writes a second that Secrets Manager takes are left to callers.
pub const LIMITS: Limits = Limits { at_once: 16, per_second: Some(25) };

/// Nothing is begun in a pass after this: the schedule comes every 5 minutes, what is under way takes 28 s at
/// most, and no pass runs into the next.
pub const LASTS: Duration = Duration::from_mins(4);

/// Answers the schedule with one pass.
pub async fn handle(broker: &Broker) -> Result<(), StoreError> {
    let watch = Stopwatch::start();
    sweep(broker, &LIMITS, &|| watch.is_before(LASTS)).await.map(drop)
}
