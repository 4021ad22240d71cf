//! Text that people wrote, and URLs that they gave: cleaned, or refused with the reason.

use serde_json::Value;
use url::Url;

use crate::error::Error;
use crate::http;

/// The longest line, in characters.
const LONGEST_NAME: usize = 255;

/// The longest line before it is cleaned, in bytes.
const LONGEST_WRITTEN: usize = 4_096;

/// Cleans a line, such as a name or a tag, of HTML tags and control characters; nothing is left when it is empty.
pub fn line(value: Option<&Value>, field: &str) -> Result<Option<String>, Error> {
    let written = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => http::text(value).ok_or_else(|| Error::Invalid(format!("`{field}` must be text")))?,
    };
    if written.len() > LONGEST_WRITTEN {
        return Err(Error::Invalid(format!("`{field}` must be at most {LONGEST_NAME} characters long")));
    }
    let clean = without_tags(written.chars().filter(|c| !c.is_control()).collect());
    let clean = clean.trim();
    if clean.chars().count() > LONGEST_NAME {
        return Err(Error::Invalid(format!("`{field}` must be at most {LONGEST_NAME} characters long")));
    }
    Ok(Some(clean.to_owned()).filter(|clean| !clean.is_empty()))
}

/// Drops HTML tags until none is left, since dropping one may join the halves of another.
fn without_tags(mut text: String) -> String {
    while let Some((start, end)) = tag(&text) {
        text.replace_range(start..end, "");
    }
    text
}

fn tag(text: &str) -> Option<(usize, usize)> {
    let opens =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    let start = text.match_indices('<').map(|(at, _)| at).find(|at| opens(&text[at + 1..]))?;
    let end = text[start..].find('>').map_or(text.len(), |length| start + length + 1);
    Some((start, end))
}

/// Lets through an absolute `https` URL (`http` on this machine alone) without a fragment (RFC 6749
/// section 3.1.2), exactly as it was given: the vendor compares it byte for byte.
pub fn redirect_uri<'a>(field: &str, given: &'a str) -> Result<&'a str, Error> {
    let refuse = |why: &str| {
        let shown: String = given.chars().take(200).collect();
        Error::Invalid(format!("{field} must {why}: {shown:?}"))
    };
    if given.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(refuse("hold no white space, control character or backslash"));
    }
    // The authority is looked at as it is written: parsers forgive what others read differently.
    let lower = given.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let url = Url::parse(given).map_err(|_| refuse("be an absolute URL"))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if !(scheme == "https" || scheme == "http" && loopback) {
        return Err(refuse("begin with https:// (http:// only on localhost)"));
    }
    if authority.is_empty() || authority.contains('@') {
        return Err(refuse("name a host, without a user name or password"));
    }
    if given.contains('#') {
        return Err(refuse("have no fragment"));
    }
    Ok(given)
}

/// The longest return URL, in bytes.
const LONGEST_URL: usize = 2_000;

/// Lets through where a browser may be sent back to, as strictly as a redirect URI; and no character that a
/// `Location` header cannot carry.
pub fn return_url<'a>(field: &str, given: &'a str) -> Result<&'a str, Error> {
    if given.len() > LONGEST_URL {
        return Err(Error::Invalid(format!("{field} must be at most {LONGEST_URL} bytes long")));
    }
    if !given.is_ascii() {
        return Err(Error::Invalid(format!(
            "{field} must have other than ASCII characters percent-encoded: {given:?}"
        )));
    }
    redirect_uri(field, given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_urls_are_checked_and_left_as_they_are() {
        for url in [
            "https://www.mycoolapp.com/auth",
            "https://app.example/cb?a=b%20c",
            "http://127.0.0.1:9000/x",
            "http://localhost/cb",
            "http://[::1]:1/",
            "HTTPS://App.example/",
        ] {
            assert_eq!(redirect_uri("callbackUrl", url).unwrap(), url);
        }
        for url in [
            "",
            "/relative",
            "//evil.com",
            "javascript:alert(1)",
            "http://app.example/",
            "http://127.0.0.1.evil.com/",
            "https://app.example/#frag",
            "https://user:pw@app.example/",
            "https:app.example",
            "https:/evil.com?x=://",
            "https:evil.com/?://",
            "https:///evil.com",
            "https://@evil.com/",
            "https://app.example/\r\nx",
            "https://app.example/\tx",
            "https:\\\\app.example",
            "https;//mycoolapp.com",
        ] {
            assert!(redirect_uri("callbackUrl", url).is_err(), "{url:?}");
        }
        assert!(return_url("returnUrl", "https://app.example/b%C3%BCck").is_ok());
        assert!(return_url("returnUrl", "https://app.example/b\u{fc}ck").is_err());
        assert!(return_url("returnUrl", &format!("https://app.example/{}", "x".repeat(2_000))).is_err());
    }
}
