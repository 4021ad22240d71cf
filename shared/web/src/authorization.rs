//! The `Authorization` header: `User <secret>, Organization <secret>, Element <token>`.

use broker::access::Credentials;
use broker::seal::element_token::ElementToken;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::AUTHORIZATION;
use secrecy::SecretString;

/// Reads the header. Parts come in any order, schemes in any case, spaces are free; schemes that
/// mean nothing here are passed over. `None` when a secret stands there twice, or has no value; an
/// element token like that is as good as none, since it may be a third part that changes nothing.
pub fn read(headers: &HeaderMap) -> Option<Credentials> {
    let mut found = Credentials::default();
    let mut tokens = Vec::new();
    for line in headers.get_all(AUTHORIZATION) {
        for part in line.to_str().ok()?.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (scheme, value) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
            let value = value.trim();
            let slot = match scheme.to_ascii_lowercase().as_str() {
                "user" => &mut found.user,
                "organization" => &mut found.organization,
                "element" => {
                    tokens.push(ElementToken::parse(value));
                    continue;
                }
                _ => continue,
            };
            if value.is_empty() || slot.replace(SecretString::from(value)).is_some() {
                return None;
            }
        }
    }
    found.element = if tokens.len() == 1 { tokens.pop().flatten() } else { None };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::http::HeaderValue;
    use secrecy::ExposeSecret;

    fn parts(lines: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        let found = read(&headers)?;
        let text =
            |secret: Option<SecretString>| secret.map(|s| s.expose_secret().to_owned()).unwrap_or_default();
        Some((text(found.user), text(found.organization)))
    }

    #[test]
    fn parts_are_read_in_any_order_case_and_spacing() {
        let expected = Some(("u/+=".to_owned(), "o1".to_owned()));
        for line in [
            "User u/+=, Organization o1",
            "Organization o1,User u/+=",
            "  uSER   u/+=  ,  ORGANIZATION\to1 ,",
            "Bearer x, User u/+=, Organization o1, Element junk",
            "User u/+=, Organization o1, Element ",
            "User u/+=, Organization o1, Element a, Element b",
        ] {
            assert_eq!(parts(&[line]), expected, "{line}");
        }
        assert_eq!(parts(&["User u/+=", "Organization o1"]), expected);
    }

    #[test]
    fn what_is_ambiguous_or_empty_is_refused() {
        for line in ["User a, User b", "User", "User , Organization o", "Organization o, organization p"] {
            assert_eq!(parts(&[line]), None, "{line}");
        }
        assert_eq!(parts(&[]), Some((String::new(), String::new())));
    }
}
