//! Finds what a vendor says of a refusal. RFC 6749 section 5.2 has `error` and `error_description`; vendors put their codes
//! and words in many other places.

use serde_json::{Map, Value};

use crate::client::body::{self, Raw};

/// Where codes stand, the most telling first.
const CODES: [&str; 12] = [
    "error",
    "error.code",
    "error.type",
    "error.status",
    "error_code",
    "errorCode",
    "ErrorCode",
    "errors.0.code",
    "errors.0.errorType",
    "errors.0.error",
    "fault.detail.errorcode",
    "code",
];

/// Where words stand, the most telling first.
const WORDS: [&str; 23] = [
    "error_description",
    "error.message",
    "error.description",
    "error.error_description",
    "errors.0.message",
    "errors.0.detail",
    "errors.0.description",
    "errors.0.error_description",
    "errors.0",
    "error_message",
    "error_msg",
    "errorMessage",
    "errorDescription",
    "ErrorDescription",
    "fault.faultstring",
    "message",
    "Message",
    "Error",
    "detail",
    "title",
    "description",
    "reason",
    "errorSummary",
];

/// The longest text of a page that is looked at, in characters.
const LONGEST: usize = 1_000;

/// What a vendor says of a refusal, in all the places where it says something.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Codes, such as `invalid_grant`, the most telling first.
    pub(super) codes: Vec<String>,
    /// Words, the most telling first.
    pub(super) words: Vec<String>,
}

/// Reads what an answer says.
pub(super) fn said(raw: &Raw, members: &Map<String, Value>) -> Said {
    let at = |paths: &[&str]| paths.iter().filter_map(|path| found(members, path)).collect::<Vec<_>>();
    let mut said = Said { codes: at(&CODES), words: at(&WORDS) };
    if let Some(challenge) = &raw.challenge {
        said.codes.extend(parameter(challenge, "error"));
        said.words.extend(parameter(challenge, "error_description"));
    }
    if said.codes.is_empty() && said.words.is_empty() && members.is_empty() {
        said.words.extend(plain_text(&body::text(&raw.body)));
    }
    said
}

/// Finds a text or a number by its path.
fn found(members: &Map<String, Value>, path: &str) -> Option<String> {
    let mut names = path.split('.');
    let first = members.get(names.next()?)?;
    match names.try_fold(first, step)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Goes to an element of a list, or to a member.
fn step<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match name.parse::<usize>() {
        Ok(place) => value.get(place),
        Err(_) => value.get(name),
    }
}

/// Reads a parameter of a challenge, which is quoted or not (RFC 9110 section 11.2).
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let assigned = format!("{name}=");
    let begins = |place: &usize| challenge[..*place].chars().next_back().is_none_or(|c| " ,\t".contains(c));
    let (place, _) = challenge.match_indices(&assigned).find(|(place, _)| begins(place))?;
    let value = &challenge[place + assigned.len()..];
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split([',', ' ']).next()?,
    };
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

/// Reads a text or a page; not what looks like an answer with tokens, which must not be repeated.
fn plain_text(body: &str) -> Option<String> {
    let text = page_text(body);
    let is_for_people = !text.is_empty() && !text.contains('{') && !text.contains("_token");
    is_for_people.then_some(text)
}

/// Reads the text of a page, or of plain text, on one line.
fn page_text(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let lower = tag.get(..8).unwrap_or(tag).to_ascii_lowercase();
        // What scripts and styles hold is not for people.
        let end = ["script", "style"].into_iter().find(|name| lower.starts_with(name));
        let after = end.and_then(|name| tag.split_once(&format!("</{name}"))).map_or(tag, |(_, after)| after);
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    let plain = entities.iter().fold(text, |text, (entity, plain)| text.replace(entity, plain));
    plain.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, challenge: Option<&str>) -> (String, String) {
        let raw = Raw {
            status: 400,
            retry_after: None,
            challenge: challenge.map(str::to_owned),
            body: body.into(),
            confided: Vec::new(),
        };
        let Said { codes, words } = said(&raw, &body::members(body).unwrap_or_default());
        (codes.first().cloned().unwrap_or_default(), words.first().cloned().unwrap_or_default())
    }

    #[test]
    fn code_and_words_are_found_wherever_they_stand() {
        for body in [
            r#"{"error":"c","error_description":"some words"}"#,
            r#"{"error":"c","message":"some words"}"#,
            r#"{"error":{"code":"c","message":"some words"}}"#,
            r#"{"error":{"type":"c","message":"some words"}}"#,
            r#"{"errors":[{"code":"c","message":"some words"}]}"#,
            r#"{"errors":[{"errorType":"c","message":"some words"}],"success":false}"#,
            r#"{"Error":"some words","ErrorCode":"c"}"#,
            r#"{"fault":{"faultstring":"some words","detail":{"errorcode":"c"}}}"#,
            r#"{"error_code":"c","error_message":"some words"}"#,
            r#"{"type":"about:blank","title":"some words","code":"c","status":400}"#,
            r#"{"code":"c","title":"T","detail":"some words"}"#,
        ] {
            assert_eq!(read(body, None), ("c".into(), "some words".into()), "{body}");
        }
        let challenge = r#"Bearer realm="x", error="c", error_description="some words""#;
        assert_eq!(read("", Some(challenge)), ("c".into(), "some words".into()));
    }

    #[test]
    fn a_text_or_a_page_says_what_it_says() {
        for body in [
            "some words",
            " some\r\n words ",
            "<html><head><style>a{b:c}</style><script>if (a<b) {}</script></head><body><h1>some</h1>words</body></html>",
            "<p>some&nbsp;words",
        ] {
            assert_eq!(read(body, None).1, "some words", "{body}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_made_up_and_tokens_are_not_repeated() {
        for body in [
            "",
            "{}",
            r#"{"error":null,"message":" "}"#,
            r#"{"errors":[]}"#,
            r#"{"access_token":"planted"}"#,
            r#"["planted-in-a-list-of {"]"#,
            "access_token=planted&token_type=bearer",
            r#"{"access_token":"planted"#,
        ] {
            assert_eq!(read(body, None), (String::new(), String::new()), "{body}");
        }
    }
}
