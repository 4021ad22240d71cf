//! Reads how long an access token lives. RFC 6749 section 5.1 has `expires_in`, in seconds; some vendors name the time when
//! it ends.

use serde_json::{Map, Value};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::descriptor::Answer;
use crate::tokens::Lifetime;

/// The longest lifetime that is believed: a year, in seconds.
pub const LONGEST: i64 = 366 * 86_400;

/// A number from here on is a point in time (seconds since 1970; this one is in 2001), not a duration.
const EPOCH: f64 = 1e9;

/// A point in time from here on is in milliseconds.
const MILLISECONDS: f64 = 1e11;

/// The members that name the time when a token ends: epoch seconds or milliseconds, RFC 3339, or an HTTP date.
const ENDS: [&str; 4] = ["expires_at", "expires_on", ".expires", "expiry_date"];

/// Reads the lifetime of the access token in an answer; the descriptor's when the answer does not say.
pub(super) fn of(members: &Map<String, Value>, quirks: &Answer) -> Option<Lifetime> {
    let usual =
        quirks.default_lifetime.and_then(|seconds| i64::try_from(seconds).ok()).map(Lifetime::Seconds);
    let said = |name: &str| members.get(name).filter(|value| !value.is_null());
    let lasts = said("expires_in").map(lasts);
    let ends = || ENDS.into_iter().find_map(said).map(ends);
    let read = match lasts {
        None | Some(Lifetime::Unclear) => ends().or(lasts),
        clear => clear,
    };
    match read {
        None | Some(Lifetime::Unclear) => usual.or(read),
        clear => clear,
    }
}

/// Reads a number of seconds. What cannot be read is as if it were not said.
pub(super) fn seconds(said: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is clamped before, and whole seconds are meant")]
    let whole = |seconds: f64| seconds.clamp(0.0, f64::from(u32::MAX)) as i64;
    number(said).map(whole)
}

fn number(said: &Value) -> Option<f64> {
    let number = match said {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

fn lasts(said: &Value) -> Lifetime {
    match (number(said), seconds(said)) {
        (Some(number), _) if number >= EPOCH => ends(said),
        (Some(_), Some(seconds)) if seconds <= LONGEST => Lifetime::Seconds(seconds),
        (Some(_), _) => Lifetime::Unclear,
        (None, _) => ends(said),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole seconds are meant, of a time that is not far")]
fn ends(said: &Value) -> Lifetime {
    if let Some(number) = number(said) {
        let seconds = if number >= MILLISECONDS { number / 1_000.0 } else { number };
        let is_time = (EPOCH..MILLISECONDS).contains(&seconds);
        return if is_time { Lifetime::Until(seconds as i64) } else { Lifetime::Unclear };
    }
    said.as_str().and_then(|text| date(text.trim())).map_or(Lifetime::Unclear, Lifetime::Until)
}

/// Reads a date; one without an offset is taken for UTC.
fn date(text: &str) -> Option<i64> {
    if let Ok(date) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(date.unix_timestamp());
    }
    if let Ok(date) = PrimitiveDateTime::parse(&text.replacen(' ', "T", 1), &Iso8601::DEFAULT) {
        return Some(date.assume_utc().unix_timestamp());
    }
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Lifetime::{Seconds, Unclear, Until};

    fn read(members: &str, default_lifetime: Option<u64>) -> Option<Lifetime> {
        of(&serde_json::from_str(members).unwrap(), &Answer { default_lifetime, ..Answer::default() })
    }

    #[test]
    fn a_lifetime_is_read_in_every_form() {
        for (expires_in, expected) in [
            ("3600", Seconds(3_600)),
            ("\"3600\"", Seconds(3_600)),
            ("\" 3600 \"", Seconds(3_600)),
            ("0", Seconds(0)),
            ("-5", Seconds(0)),
            ("3600.9", Seconds(3_600)),
            ("1764234000", Until(1_764_234_000)),
            ("1764234000000", Until(1_764_234_000)),
            ("\"2025-11-27T09:00:00Z\"", Until(1_764_234_000)),
            ("400000000", Unclear),
            ("\"soon\"", Unclear),
            ("\"NaN\"", Unclear),
            ("1e300", Unclear),
            ("{}", Unclear),
        ] {
            assert_eq!(
                read(&format!(r#"{{"expires_in":{expires_in}}}"#), None),
                Some(expected),
                "{expires_in}"
            );
        }
        for ends in [
            r#"{"expires_at":1764234000}"#,
            r#"{"expires_at":"1764234000"}"#,
            r#"{"expires_on":"1764234000"}"#,
            r#"{"expiry_date":1764234000000}"#,
            r#"{"expires_at":"2025-11-27T10:00:00+01:00"}"#,
            r#"{"expires_at":"2025-11-27T09:00:00"}"#,
            r#"{"expires_at":"2025-11-27 09:00:00.000"}"#,
            r#"{".expires":"Thu, 27 Nov 2025 09:00:00 GMT"}"#,
            r#"{"expires_in":"soon","expires_at":1764234000}"#,
        ] {
            assert_eq!(read(ends, None), Some(Until(1_764_234_000)), "{ends}");
        }
    }

    #[test]
    fn the_descriptors_lifetime_stands_in_for_what_is_not_said_or_unclear() {
        for members in ["{}", r#"{"expires_in":null}"#, r#"{"expires_in":"soon"}"#, r#"{"expires_at":7}"#] {
            assert_eq!(read(members, Some(60)), Some(Seconds(60)), "{members}");
        }
        assert_eq!(read(r#"{"expires_in":5}"#, Some(60)), Some(Seconds(5)));
        assert_eq!(read("{}", None), None);
    }
}
