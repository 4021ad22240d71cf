//! Reads what a token endpoint answers (RFC 6749 sections 5.1 and 5.2), as the descriptor allows: first what is worth most,
//! which is a refresh token.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::client::body::{self, Raw};
use crate::client::lifetime;
use crate::client::refusal::{Said, said};
use crate::descriptor::{OAuth2, Permanent, PermanentError};
use crate::error::{VendorError, Words};
use crate::tokens::{Granted, Lifetime, Tokens};

/// The longest member that is kept, in bytes.
const LONGEST_KEPT: usize = 1_000;

/// How long to wait when a busy vendor does not say, in seconds.
const USUAL_WAIT: u64 = 5;

/// The longest wait that is passed on, in seconds.
const LONGEST_WAIT: u64 = 3_600;

/// Reads the tokens out of an answer. One with a refresh token is kept even when nothing else in it can be used: the old
/// one may be spent.
pub fn tokens(raw: &Raw, oauth2: &OAuth2) -> Result<Granted, VendorError> {
    let quirks = &oauth2.answer;
    let all = granted(raw, oauth2)?;
    // A refresh may be answered without the envelope.
    let envelope = quirks.envelope.as_ref().and_then(|name| all.get(name)?.as_object());
    let members = envelope.filter(|members| has_token(members)).unwrap_or(&all);
    let token_type = text(members, "token_type").unwrap_or_else(|| "Bearer".into());
    let bearer = |known: &str| token_type.eq_ignore_ascii_case(known);
    let is_bearer = bearer("bearer") || quirks.token_types.iter().any(|known| bearer(known));
    let access_token = text(members, "access_token");
    let odd = match (&access_token, is_bearer) {
        (None, _) => Some("it has no `access_token`"),
        (Some(_), false) => Some("its token_type is not bearer"),
        (Some(_), true) => None,
    };
    let refresh_token = text(members, "refresh_token").map(SecretString::from);
    if let (Some(odd), None) = (odd, &refresh_token) {
        return Err(VendorError::Malformed(odd.into()));
    }
    let usable = access_token.filter(|_| odd.is_none());
    let tokens = Tokens {
        // Without one that can be used, it has ended already.
        lifetime: if usable.is_some() { lifetime::of(members, quirks) } else { Some(Lifetime::Seconds(0)) },
        access_token: usable.unwrap_or_default().into(),
        token_type,
        refresh_token,
        refresh_expires_in: quirks
            .refresh_expires_in
            .as_ref()
            .and_then(|name| lifetime::seconds(members.get(name.as_str())?))
            // Some say 0 of one that does not expire.
            .filter(|seconds| *seconds > 0),
        scope: scope(members.get("scope").or_else(|| members.get("scopes"))),
    };
    let kept = |(path, key): (&String, &String)| Some((key.clone(), member(&all, path)?));
    let odd = odd.map(str::to_owned);
    Ok(Granted { tokens, extra: quirks.keep.iter().filter_map(kept).collect(), odd })
}

fn has_token(members: &Map<String, Value>) -> bool {
    ["access_token", "refresh_token"].iter().any(|name| text(members, name).is_some())
}

/// Finds a member by its path, as text of a bearable length.
fn member(members: &Map<String, Value>, path: &str) -> Option<String> {
    let mut names = path.split('.');
    let first = members.get(names.next()?)?;
    let text = scalar(names.try_fold(first, |value, name| value.get(name))?)?;
    (text.len() <= LONGEST_KEPT).then_some(text)
}

/// Reads text, or a number or truth value as it is written.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Reads an answer to a request that grants nothing, such as a revocation.
pub fn done(raw: &Raw, oauth2: &OAuth2) -> Result<(), VendorError> {
    match raw.status {
        200..=299 => match members(raw, false) {
            Some(members) if text(&members, "error").is_some() => Err(refused(raw, &members, oauth2)),
            _ => Ok(()),
        },
        _ => Err(failure(raw, &members(raw, true).unwrap_or_default(), oauth2)),
    }
}

fn granted(raw: &Raw, oauth2: &OAuth2) -> Result<Map<String, Value>, VendorError> {
    if !(200..=299).contains(&raw.status) {
        return Err(failure(raw, &members(raw, true).unwrap_or_default(), oauth2));
    }
    let members = members(raw, oauth2.answer.form_encoded);
    let members = members.ok_or_else(|| VendorError::Malformed("it is no JSON object".into()))?;
    let envelope = oauth2.answer.envelope.as_ref().and_then(|name| members.get(name)?.as_object());
    let grants = has_token(&members) || envelope.is_some_and(has_token);
    if !grants && text(&members, "error").is_some() {
        return Err(refused(raw, &members, oauth2));
    }
    Ok(members)
}

fn members(raw: &Raw, form_encoded: bool) -> Option<Map<String, Value>> {
    let text = body::text(&raw.body);
    let looks_encoded = form_encoded && text.contains('=') && !text.contains(['<', '{']);
    if looks_encoded {
        let pairs = form_urlencoded::parse(text.trim().as_bytes());
        return Some(pairs.map(|(name, value)| (name.into(), Value::from(value.as_ref()))).collect());
    }
    body::members(&text)
}

fn failure(raw: &Raw, members: &Map<String, Value>, oauth2: &OAuth2) -> VendorError {
    let status = raw.status;
    let busy = |retry_after: u64| VendorError::Busy {
        status,
        retry_after: retry_after.clamp(1, LONGEST_WAIT),
        words: words(raw, &said(raw, members)),
    };
    match status {
        429 | 503 => busy(raw.retry_after.unwrap_or(USUAL_WAIT)),
        408 => VendorError::InDoubt("status 408".into()),
        400..=499 => match (refused(raw, members, oauth2), raw.retry_after) {
            (VendorError::Refused { means: None, .. }, Some(seconds)) => busy(seconds),
            (refused, _) => refused,
        },
        500..=599 => VendorError::Failed { status, words: words(raw, &said(raw, members)) },
        _ => VendorError::Malformed(format!("its status is {status}, which a token endpoint has no use for")),
    }
}

fn refused(raw: &Raw, members: &Map<String, Value>, oauth2: &OAuth2) -> VendorError {
    let (status, said) = (raw.status, said(raw, members));
    let means = means(status, &said, &oauth2.permanent_errors);
    let Words { code: error, text } = words(raw, &said);
    let message = if text.is_empty() { format!("status {status}") } else { text };
    VendorError::Refused { status, error, message, means }
}

/// Gives what may be repeated of what a vendor said.
fn words(raw: &Raw, said: &Said) -> Words {
    let code = said.codes.first().map(|code| repeatable(code, raw)).unwrap_or_default();
    let text = said.words.first().map(|words| repeatable(words, raw)).filter(|words| !words.is_empty());
    Words { text: text.unwrap_or_else(|| code.clone()), code }
}

/// The meaning of error codes (RFC 6749 section 5.2). A descriptor's entries for a code replace the one here.
const USUAL: [(&str, Permanent); 3] = [
    ("invalid_grant", Permanent::DeadGrant),
    ("invalid_client", Permanent::BadClient),
    ("unauthorized_client", Permanent::BadClient),
];

/// Finds the meaning of a refusal: by the descriptor's entries, or by [`USUAL`] for codes that it has no entry for.
fn means(status: u16, said: &Said, table: &[PermanentError]) -> Option<Permanent> {
    let words: Vec<_> = said.words.iter().map(|words| words.to_lowercase()).collect();
    let says = |wanted: &String| words.iter().any(|words| words.contains(&wanted.to_lowercase()));
    let matches = |entry: &&PermanentError| {
        entry.status.is_none_or(|wanted| wanted == status)
            && entry.error.as_ref().is_none_or(|wanted| said.codes.contains(wanted))
            && entry.description.as_ref().is_none_or(says)
    };
    let is_described = |code: &str| table.iter().any(|entry| entry.error.as_deref() == Some(code));
    let usual = || {
        let applies = |code: &str| !is_described(code) && said.codes.iter().any(|said| said == code);
        USUAL.into_iter().find(|(code, _)| applies(code)).map(|(_, means)| means)
    };
    table.iter().find(matches).map(|entry| entry.means).or_else(usual)
}

/// Keeps what may be repeated of the vendor's words: nothing that was confided to it, on one line of at
/// most 500 characters.
fn repeatable(text: &str, raw: &Raw) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    for secret in raw.confided.iter().map(ExposeSecret::expose_secret) {
        text = text.replace(secret, "[redacted]");
    }
    text.chars().take(500).collect()
}

fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Reads the scope, which has one part at least (RFC 6749 section 3.3): an empty one says nothing.
fn scope(value: Option<&Value>) -> Option<String> {
    let scope = match value? {
        Value::String(scope) => scope.clone(),
        Value::Array(scopes) => scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    (!scope.trim().is_empty()).then_some(scope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::descriptor::Answer;

    fn keap() -> OAuth2 {
        let catalogue = Catalogue::built_in();
        let mut oauth2 = catalogue.find("infusionsoftcrm").unwrap().oauth2.clone().unwrap();
        oauth2.answer = Answer::default();
        oauth2
    }

    fn raw(status: u16, body: &str) -> Raw {
        Raw {
            status,
            retry_after: None,
            challenge: None,
            body: body.into(),
            confided: vec!["planted-secret".to_owned().into()],
        }
    }

    fn read_with(status: u16, body: &str, quirks: &Answer) -> Result<Tokens, VendorError> {
        let oauth2 = OAuth2 { answer: quirks.clone(), ..keap() };
        tokens(&raw(status, body), &oauth2).map(|granted| granted.tokens)
    }

    fn read(status: u16, body: &str) -> Result<Tokens, VendorError> {
        read_with(status, body, &Answer::default())
    }

    #[test]
    fn keaps_answer_is_read_whole() {
        let body = r#"{"access_token":"a","token_type":"bearer","expires_in":86400,"refresh_token":"r",
            "scope":"full|xx123.infusionsoft.com","unknown":{"x":1}}"#;
        let tokens = read(200, body).unwrap();
        assert_eq!(tokens.access_token.expose_secret(), "a");
        assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "r");
        assert_eq!(tokens.lifetime, Some(Lifetime::Seconds(86_400)));
        assert_eq!(tokens.scope.as_deref(), Some("full|xx123.infusionsoft.com"));
    }

    #[test]
    fn a_vendor_may_say_how_long_the_refresh_token_lives() {
        let quirks = Answer { refresh_expires_in: Some("x_expires".into()), ..Answer::default() };
        let ends = |body: &str| read_with(200, body, &quirks).unwrap().refresh_expires_in;
        assert_eq!(ends(r#"{"access_token":"a","refresh_token":"r","x_expires":8726400}"#), Some(8_726_400));
        assert_eq!(ends(r#"{"access_token":"a","refresh_token":"r","refresh_expires":1}"#), None);
    }

    #[test]
    fn what_is_no_token_answer_is_malformed() {
        let bodies =
            ["", "<html>", "[]", "{", "\"x\"", "{}", r#"{"access_token":7}"#, r#"{"access_token":""}"#];
        for body in bodies {
            assert!(matches!(read(200, body), Err(VendorError::Malformed(_))), "{body}");
        }
        let mac = read(200, r#"{"access_token":"a","token_type":"mac"}"#);
        assert!(matches!(mac, Err(VendorError::Malformed(_))));
        assert!(matches!(read(302, "{}"), Err(VendorError::Malformed(_))));
    }

    #[test]
    fn a_refusal_is_told_in_the_vendors_words_at_any_status_of_its_kind() {
        let body = r#"{"error":"invalid_grant","error_description":"Invalid refresh\u0007 token"}"#;
        for status in [200, 400, 401] {
            let Err(VendorError::Refused { error, message, .. }) = read(status, body) else { panic!() };
            assert_eq!((error.as_str(), message.as_str()), ("invalid_grant", "Invalid refresh token"));
        }
        let Err(VendorError::Refused { message, .. }) = read(403, "<html>") else { panic!() };
        assert_eq!(message, "status 403");
    }

    #[test]
    fn busy_and_failing_vendors_are_told_apart() {
        let busy = tokens(&Raw { retry_after: Some(7), ..raw(429, "") }, &keap());
        assert!(matches!(busy, Err(VendorError::Busy { retry_after: 7, .. })));
        assert!(matches!(read(408, ""), Err(VendorError::InDoubt(_))));
        assert!(matches!(read(503, ""), Err(VendorError::Busy { .. })));
        assert!(matches!(read(500, r#"{"error":"x"}"#), Err(VendorError::Failed { status: 500, .. })));
        let slow = tokens(&Raw { retry_after: Some(120), ..raw(400, r#"{"error":"slow_down"}"#) }, &keap());
        let Err(VendorError::Busy { status: 400, retry_after: 120, words }) = slow else {
            panic!("{slow:?}")
        };
        assert_eq!(words.code, "slow_down");
        let dead = Raw { retry_after: Some(120), ..raw(400, r#"{"error":"invalid_grant"}"#) };
        assert!(matches!(tokens(&dead, &keap()), Err(VendorError::Refused { .. })));
    }

    #[test]
    fn every_refusal_seen_of_keap_means_what_the_table_says() {
        let cases = [
            (400, "invalid_grant", "Invalid refresh token", Some(Permanent::DeadGrant)),
            (400, "invalid_request", "Invalid Refresh Token", Some(Permanent::DeadGrant)),
            (400, "invalid_request", "Missing parameter", None),
            (
                401,
                "invalid_grant",
                "Unable to authenticate username and password",
                Some(Permanent::BadClient),
            ),
            (401, "invalid_client", "", Some(Permanent::BadClient)),
            // The table says what this code means at Keap.
            (401, "invalid_grant", "Try again", None),
        ];
        for (status, error, description, expected) in cases {
            let body = serde_json::json!({"error": error, "error_description": description}).to_string();
            let Err(VendorError::Refused { means, .. }) = read(status, &body) else { panic!("{error}") };
            assert_eq!(means, expected, "{status} {error} {description}");
        }
    }

    #[test]
    fn what_was_confided_is_not_repeated_even_cut_in_two() {
        let words = format!("{}planted-secret", "x".repeat(490));
        let body = serde_json::json!({"error": "planted-secret", "error_description": words}).to_string();
        let refusal = format!("{:?}", read(400, &body).unwrap_err());
        assert!(refusal.contains("[redacted]") && !refusal.contains("planted"), "{refusal}");
    }

    #[test]
    fn a_form_and_an_envelope_are_read_where_the_descriptor_says_so() {
        let form = Answer { form_encoded: true, ..Answer::default() };
        let tokens = read_with(200, "access_token=a%20b&expires_in=60", &form).unwrap();
        assert_eq!(
            (tokens.access_token.expose_secret(), tokens.lifetime),
            ("a b", Some(Lifetime::Seconds(60)))
        );
        assert!(read(200, "access_token=a").is_err());
        let envelope = Answer { envelope: Some("authed_user".into()), ..Answer::default() };
        let tokens = read_with(200, r#"{"ok":true,"authed_user":{"access_token":"u"}}"#, &envelope).unwrap();
        assert_eq!(tokens.access_token.expose_secret(), "u");
    }
}
