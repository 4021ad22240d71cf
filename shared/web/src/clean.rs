//! Text that people wrote, and URLs that they gave: cleaned, or refused with the reason.

use broker::Error;
use broker::text;
use payloads::lenient;
use serde_json::Value;
use url::Url;

/// Reads text, also where a number or a truth value was sent; an absent one is nothing.
pub fn written(value: Option<&Value>, field: &str) -> Result<Option<String>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text =
                lenient::text(value).ok_or_else(|| Error::Invalid(format!("`{field}` must be text")))?;
            Ok(Some(text))
        }
    }
}

/// Trims what is often pasted with a key, a code or an address: white space, and characters that nobody sees.
pub fn pasted(text: &str) -> &str {
    text.trim_matches(is_unseen)
}

/// Trims a client's id, and refuses one with white space inside: it was pasted with something else.
pub fn client_id<'a>(field: &str, given: &'a str) -> Result<&'a str, Error> {
    let given = pasted(given);
    if given.contains(is_unseen) {
        return Err(Error::Invalid(format!(
            "{field} must hold no white space: was it pasted with something else?"
        )));
    }
    Ok(given)
}

/// Tells whether a character is white space, a control character, or one without a width.
fn is_unseen(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Reads a scope: text, or a list of texts, which are joined by spaces.
pub fn scope(value: Option<&Value>) -> Result<Option<String>, Error> {
    let refuse = || Error::Invalid("`scope` must be text or a list of texts".into());
    let scope = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(scope)) => scope.clone(),
        Some(Value::Array(scopes)) => {
            let scopes: Option<Vec<_>> = scopes.iter().map(Value::as_str).collect();
            scopes.ok_or_else(refuse)?.join(" ")
        }
        Some(_) => return Err(refuse()),
    };
    Ok(Some(scope).filter(|scope| !scope.trim().is_empty()))
}

/// Reads a line, such as a name or a tag, cleaned of HTML tags and control characters.
pub fn line(value: Option<&Value>, field: &str) -> Result<Option<String>, Error> {
    match written(value, field)? {
        Some(written) => text::line(&written, field),
        None => Ok(None),
    }
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

/// Reads a list of return URLs that white space separates.
pub fn return_urls(text: &str) -> Result<Vec<String>, Error> {
    text.split_whitespace().map(|url| return_url("a return URL", url).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pasted_is_trimmed_and_refused_inside_a_client_id() {
        for given in ["key", " key\n", "\u{a0}key\u{200b}", "\u{feff}key\t\r\n"] {
            assert_eq!(client_id("apiKey", given).unwrap(), "key", "{given:?}");
        }
        for given in ["k ey", "k\ney", "k\u{a0}ey", "k\u{200b}ey"] {
            assert!(client_id("apiKey", given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn a_scope_is_text_or_a_list() {
        let read = |value: Value| scope(Some(&value));
        assert_eq!(read(serde_json::json!("a b")).unwrap().as_deref(), Some("a b"));
        assert_eq!(read(serde_json::json!(["a", "b"])).unwrap().as_deref(), Some("a b"));
        assert_eq!(read(serde_json::json!([])).unwrap(), None);
        for wrong in [serde_json::json!(7), serde_json::json!({"a": 1}), serde_json::json!(["a", 7])] {
            assert!(read(wrong).is_err());
        }
    }

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

    #[test]
    fn a_list_of_return_urls_is_refused_whole() {
        assert_eq!(return_urls(" https://a.example/x\nhttps://b.example/").unwrap().len(), 2);
        assert!(return_urls("https://a.example/x http://b.example/").is_err());
    }
}
