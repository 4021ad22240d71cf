//! Times that no right clock can have written. A clock that was ten years ahead once must not bar a grant for ten years.
//!
//! Such a time is replaced by now, in one write. To read it as if it were now would not do: it would slide along.

use crate::Broker;
use crate::clock::{SKEW, Timestamp, is_ahead};
use crate::grant::schedule::FARTHEST;
use crate::grant::write;
use crate::record::grant::Grant;
use crate::store::StoreError;

/// Replaces the wrong times of a grant. Tells whether there were any, so that it is to be read again.
pub(crate) async fn correct(broker: &Broker, grant: &Grant) -> Result<bool, StoreError> {
    let now = broker.clock.now();
    if !is_wrong(grant, now) {
        return Ok(false);
    }
    let conditions =
        [Grant::is_live()].into_iter().chain(grant.tokens_as_read()).chain(grant.asking_as_read());
    let change = write::change(broker, grant, corrected(grant, now), conditions)?;
    tracing::warn!(instance = grant.instance.0, "times from the future are replaced: a clock was wrong");
    let _ = write::send(broker, grant, change).await?;
    Ok(true)
}

fn is_wrong(grant: &Grant, now: Timestamp) -> bool {
    let times = [Some(grant.access_issued), grant.asking_since, grant.settled];
    times.into_iter().flatten().any(|time| is_ahead(time, now))
        || grant.due.is_some_and(|due| is_ahead(due, now + FARTHEST))
}

fn corrected(grant: &Grant, now: Timestamp) -> Grant {
    let mut after = grant.clone();
    let at_most = |time: Option<Timestamp>| time.map(|time| if is_ahead(time, now) { now } else { time });
    after.asking_since = at_most(grant.asking_since);
    after.settled = at_most(grant.settled);
    if is_ahead(grant.access_issued, now) {
        // Nobody knows when they were issued: the access token counts as expired, the refresh token as new.
        let life = grant.refresh_expires.map(|expires| expires - grant.access_issued);
        after.access_issued = now;
        after.access_expires = grant.access_expires.map(|_| now);
        after.refresh_expires = life.map(|life| now + life);
        after.not_before = None;
    }
    after
}

/// Tells whether nothing can be due so late.
pub(crate) fn is_too_late(due: Timestamp, now: Timestamp) -> bool {
    due > now + FARTHEST + SKEW
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_from_the_future_become_now_and_right_ones_stay() {
        let grant = |issued: Timestamp, asking: Timestamp| -> Grant {
            serde_json::from_value(json!({
                "instance": 1, "user": 1, "element": "e", "state": "live", "family": 1, "number": 0, "last": 1,
                "client": "c", "access_issued": issued, "access_expires": issued + 60,
                "refresh_expires": issued + 900, "refreshable": true, "agenda": "e#1",
                "asking_owner": "x", "asking_since": asking,
            }))
            .unwrap()
        };
        assert!(!is_wrong(&grant(1_000 + SKEW, 1_000 + SKEW), 1_000), "clocks may differ so much");
        let wrong = grant(1_001 + SKEW, 9_000);
        assert!(is_wrong(&wrong, 1_000));
        let right = corrected(&wrong, 1_000);
        assert!(!is_wrong(&right, 1_000));
        assert_eq!(
            (right.access_issued, right.access_expires, right.refresh_expires),
            (1_000, Some(1_000), Some(1_900))
        );
        assert_eq!(right.asking_since, Some(1_000));
    }
}
