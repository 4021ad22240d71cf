//! When the sweep looks at an instance next: what is due of it, and by when.
//!
//! A record's `due` is computed anew with every write that could change it, so an instance that wants nothing
//! is on no agenda and costs no sweep anything. Each element has a few agendas, so that a vendor that is slow
//! or down holds up its own instances alone, and no index partition takes all writes.

use vendors::catalogue::Catalogue;
use vendors::descriptor::{LifetimeFrom, Refresh};

use crate::Broker;
use crate::clock::Timestamp;
use crate::grant::lease::{self, SKEW};
use crate::record::instance::{Instance, State};
use crate::store::records::{self, AGENDA, Change, DUE};

/// The agendas of an element.
const SHARDS: u64 = 4;

/// A token is due so long before it expires at most, in seconds; never more than half its life.
pub(crate) const MARGIN: Timestamp = 900;

/// A creation that has not ended after this never will, in seconds.
const UNFINISHED: Timestamp = 3_600;

/// A deletion is finished by somebody else after this, in seconds: its own request has ended.
const UNFORGOTTEN: Timestamp = 60;

/// What failed is tried again after an eighth of the time that is left, in seconds, and within these; and after
/// the end, which is what the vendor has said and not yet proven, ever more seldom.
const AGAIN: (Timestamp, Timestamp) = (60, 3_600);
const SELDOM: Timestamp = 86_400;

/// The owner is warned so long before a grant ends at most, in seconds; never more than a quarter of its life.
const WARNING: Timestamp = 7 * 86_400;

/// A doubtful request has certainly ended after this, in seconds: the vendors' own limits, and what the clock of
/// whoever sent it may differ.
const DOUBT_ENDS: Timestamp = 60 + SKEW;

/// Names the agenda that an instance is on.
fn agenda(element: &str, number: u64) -> String {
    format!("{element}#{}", number % SHARDS)
}

/// Names the agendas of an element.
pub(crate) fn agendas(element: &str) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| agenda(element, shard))
}

/// Adds to a change of a record, as it was seen, when the sweep looks at it next.
pub(crate) fn scheduled(broker: &Broker, change: Change, seen: &Instance) -> Change {
    let Ok(mut item) = records::to_item(seen) else { return change };
    change.clone().apply(&mut item);
    let Ok(after) = records::from_item::<Instance>(item) else { return change };
    let change = change.set(AGENDA, agenda(&after.element, after.id.0));
    match due(&broker.catalogue, &after, broker.clock.now()) {
        Some(at) => change.set(DUE, at),
        None => change.remove(DUE),
    }
}

/// Tells when an instance next wants to be looked at.
fn due(catalogue: &Catalogue, instance: &Instance, now: Timestamp) -> Option<Timestamp> {
    match instance.state {
        State::Pending => return Some(instance.created + UNFINISHED),
        State::Deleting => return Some(now + UNFORGOTTEN),
        State::Live => {}
    }
    if let Some(until) = instance.lease_until {
        return Some(lease::dead_at(until));
    }
    let refreshes = instance.valid && instance.refreshable;
    if !refreshes && !instance.predecessors.is_empty() {
        // What one of them has stored may be what revives it.
        return Some(now + AGAIN.1);
    }
    if !instance.valid {
        return None;
    }
    let refresh = refresh_of(catalogue, instance);
    let wanted = [refresh_at(refresh, instance), warn_at(refresh, instance), end_of_final_token(instance)];
    let wanted = wanted.into_iter().flatten().min()?;
    let at = if wanted > now { wanted } else { now + again(refresh, instance, now) };
    Some(at.max(instance.not_before.unwrap_or_default()))
}

/// Tells after how long a refresh that is wanted and failed is tried again.
fn again(refresh: Option<&Refresh>, instance: &Instance, now: Timestamp) -> Timestamp {
    let warm = instance.access_expires.filter(|_| refresh.is_some_and(|refresh| refresh.warm));
    let ends = warm.into_iter().chain(end_at(instance));
    match ends.clone().filter(|end| *end > now).min() {
        Some(end) => ((end - now) / 8).clamp(AGAIN.0, AGAIN.1),
        None => ends.max().map_or(AGAIN.1, |end| ((now - end) / 8).clamp(AGAIN.1, SELDOM)),
    }
}

/// Finds how an instance's vendor refreshes.
pub(crate) fn refresh_of<'a>(catalogue: &'a Catalogue, instance: &Instance) -> Option<&'a Refresh> {
    catalogue.find(&instance.element)?.oauth2.as_ref()?.refresh.as_ref()
}

/// Tells when the sweep refreshes an instance: ahead of every expiry where the element is kept warm, else to
/// keep an unused grant alive; and to end a doubt.
pub(crate) fn refresh_at(refresh: Option<&Refresh>, instance: &Instance) -> Option<Timestamp> {
    let refresh = refresh.filter(|_| instance.refreshable)?;
    if instance.in_doubt.is_some() {
        return Some(doubt_ends(instance));
    }
    let warm = instance.access_expires.filter(|_| refresh.warm).map(|expires| {
        let half = instance.access_issued.map_or(0, |issued| (expires - issued) / 2);
        expires - MARGIN.min(half)
    });
    let kept = instance.refresh_expires.map(|expires| match refresh.lifetime_from {
        LifetimeFrom::Use => expires - keep_alive(instance, expires),
        // Nothing prolongs it; its end is found out.
        LifetimeFrom::Consent => expires,
    });
    warm.into_iter().chain(kept).min()
}

/// How long before its end an unused refresh token is used: half its life and up to a tenth more, which
/// differs from instance to instance so that those of one day do not come in one minute.
fn keep_alive(instance: &Instance, expires: Timestamp) -> Timestamp {
    let life = instance.access_issued.map_or(0, |issued| expires - issued).max(0);
    let jitter = instance.secret.get(..4).and_then(|digits| Timestamp::from_str_radix(digits, 16).ok());
    life / 2 + life / 10 * jitter.unwrap_or_default() / 0xffff
}

/// Tells when one further attempt may end a doubt: the request that nobody knows the outcome of has ended, and
/// so has the token that still served.
pub(crate) fn doubt_ends(instance: &Instance) -> Timestamp {
    let ended = instance.in_doubt.unwrap_or_default() + DOUBT_ENDS;
    ended.max(instance.access_expires.unwrap_or_default())
}

/// Tells when a grant ends, as far as is known, unless it is refreshed before.
pub(crate) fn end_at(instance: &Instance) -> Option<Timestamp> {
    if instance.refreshable { instance.refresh_expires } else { instance.access_expires }
}

/// Tells when the owner is to be warned that a grant is about to end; nothing once that was done.
pub(crate) fn warn_at(refresh: Option<&Refresh>, instance: &Instance) -> Option<Timestamp> {
    let end = end_at(instance).filter(|end| instance.warned != Some(*end))?;
    let bound = |refresh: &&Refresh| instance.refreshable && refresh.lifetime_from == LifetimeFrom::Consent;
    let usual = refresh.filter(bound).and_then(|refresh| refresh.lifetime);
    let life = match usual.and_then(|seconds| Timestamp::try_from(seconds).ok()) {
        Some(life) => life,
        None => end - instance.access_issued?,
    };
    Some(end - WARNING.min(life / 4))
}

/// Tells when a token ends that nothing can replace.
pub(crate) fn end_of_final_token(instance: &Instance) -> Option<Timestamp> {
    instance.access_expires.filter(|_| !instance.refreshable)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    const LIFE: Timestamp = 3_888_000;

    /// A living instance of Keap's with these attributes.
    fn instance(attributes: &Value) -> Instance {
        let mut record: Map<String, Value> = serde_json::from_value(json!({
            "id": 6, "user": 1, "state": "live", "element": "infusionsoftcrm", "element_id": 191, "name": "n",
            "tags": [], "configuration": {}, "created": 0, "valid": true, "disabled": false, "salt": "s",
            "token_key": 0, "secret": "8000", "generation": 1, "refreshable": true,
        }))
        .unwrap();
        record.extend(attributes.as_object().unwrap().clone());
        serde_json::from_value(Value::Object(record)).unwrap()
    }

    fn due_of(attributes: &Value, now: Timestamp) -> Option<Timestamp> {
        due(&Catalogue::built_in(), &instance(attributes), now)
    }

    #[test]
    fn unused_grants_of_one_day_are_refreshed_over_days_about_half_way() {
        for (secret, at) in [("0000", LIFE / 2), ("ffff", LIFE * 4 / 10)] {
            let fresh = json!({"secret": secret, "access_issued": 0, "access_expires": 86_400, "refresh_expires": LIFE});
            assert_eq!(due_of(&fresh, 10), Some(at), "{secret}");
        }
    }

    #[test]
    fn what_comes_first_counts_and_nothing_is_due_in_the_past() {
        let expires = json!({"access_issued": 0, "access_expires": 3_600});
        for (attributes, now, expected) in [
            (json!({"state": "pending", "created": 5}), 10, Some(3_605)),
            (json!({"state": "deleting"}), 10, Some(70)),
            (json!({"lease_owner": "x", "lease_until": 28}), 10, Some(329)),
            (json!({"valid": false, "refresh_expires": LIFE}), 10, None),
            (json!({"refreshable": false}), 10, None),
            // One of them may have stored what revives it.
            (json!({"valid": false, "predecessors": ["x"]}), 10, Some(3_610)),
            // Unused, and nothing is known of its end.
            (expires.clone(), 10, None),
            // A doubt ends with the token, and not before the request can have ended.
            (json!({"access_expires": 3_600, "in_doubt": 5}), 10, Some(3_600)),
            (json!({"access_expires": 100, "in_doubt": 90}), 10, Some(450)),
            // It failed: an eighth of what is left, an hour at most; and then ever more seldom.
            (json!({"access_issued": 0, "refresh_expires": LIFE}), LIFE - 16_000, Some(LIFE - 14_000)),
            (
                json!({"access_issued": 0, "refresh_expires": LIFE}),
                LIFE * 6 / 10,
                Some(LIFE * 6 / 10 + 3_600),
            ),
            (json!({"access_issued": 0, "refresh_expires": LIFE}), LIFE + 80_000, Some(LIFE + 90_000)),
            (json!({"access_issued": 0, "refresh_expires": LIFE}), 3 * LIFE, Some(3 * LIFE + 86_400)),
            // The vendor asked to be left alone for longer.
            (json!({"access_issued": 0, "refresh_expires": 100, "not_before": 9_000}), 95, Some(9_000)),
            // Nothing can replace it: first a warning, then the end.
            (json!({"refreshable": false, "access_issued": 0, "access_expires": 4_000}), 10, Some(3_000)),
            (
                json!({"refreshable": false, "access_issued": 0, "access_expires": 4_000, "warned": 4_000}),
                10,
                Some(4_000),
            ),
        ] {
            assert_eq!(due_of(&attributes, now), expected, "{attributes} at {now}");
        }
    }

    #[test]
    fn an_element_has_a_few_agendas_and_an_instance_one_of_them() {
        let names: Vec<_> = agendas("google").collect();
        assert_eq!(names, ["google#0", "google#1", "google#2", "google#3"]);
        assert_eq!(agenda("google", 1_000_006), "google#2");
    }
}
