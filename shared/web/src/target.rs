//! A request's target, as the router reads it: whatever a client sent and a gateway made of it, its path is
//! encoded exactly once and it holds nothing that a URI may not hold (RFC 3986 section 3).

use broker::Error;
use lambda_http::http::Uri;
use lambda_http::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

/// What no URI may hold, besides bytes beyond ASCII; the percent sign is taken for an encoded byte's.
const FORBIDDEN: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What a decoded path holds as itself and an encoded one only encoded.
const PATH: &AsciiSet = &FORBIDDEN.add(b'%').add(b'?');

/// Encodes the bytes of a target that it may not hold, as its client should have done.
pub fn mended(raw: &[u8]) -> String {
    percent_encode(raw, FORBIDDEN).to_string()
}

/// Puts a target together from a path that is decoded and a query that is as it came.
pub fn from_decoded(path: &[u8], query: &[u8]) -> Result<PathAndQuery, Error> {
    // Others decode a path into text before it gets here.
    let path = String::from_utf8_lossy(path);
    let mut target = percent_encode(path.as_bytes(), PATH).to_string();
    if !query.is_empty() {
        target.push('?');
        target.extend(percent_encode(query, FORBIDDEN));
    }
    target
        .parse()
        .map_err(|error| Error::Invalid(format!("The request's path and query are no URI: {error}")))
}

/// Encodes the path of a URI exactly once, as it comes from API Gateway, which decodes it: an encoded slash parts
/// segments then.
pub fn encoded_once(uri: &Uri) -> Result<Uri, Error> {
    let path: Vec<u8> = percent_decode_str(uri.path()).collect();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(from_decoded(&path, uri.query().unwrap_or_default().as_bytes())?);
    Uri::from_parts(parts).map_err(|error| Error::Invalid(format!("The request has no usable URI: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_is_read_as_if_its_client_had_encoded_it() {
        for byte in 0..=u8::MAX {
            let raw = [b"/a?b=", &[byte][..], b"c"].concat();
            let uri: Uri = mended(&raw).parse().unwrap();
            let encoded = format!("b=%{byte:02X}c");
            let read =
                |query: &str| form_urlencoded::parse(query.as_bytes()).into_owned().collect::<Vec<_>>();
            if !b"%&+".contains(&byte) {
                assert_eq!(read(uri.query().unwrap()), read(&encoded), "{byte:#04x}");
            }
        }
    }

    #[test]
    fn a_path_is_decoded_to_what_it_was() {
        for byte in 0..=u8::MAX {
            let path = [b"/a", &[byte][..], b"b"].concat();
            let target = from_decoded(&path, b"").unwrap();
            let decoded: Vec<u8> = percent_decode_str(target.path()).collect();
            assert_eq!(decoded, String::from_utf8_lossy(&path).as_bytes(), "{byte:#04x}");
            assert_eq!(target.query(), None);
        }
    }

    #[test]
    fn a_path_is_encoded_once_however_often_it_was() {
        for (sent, read) in [
            ("/a%2Db/%c3%a9?c=%2d", "/a-b/%C3%A9?c=%2d"),
            ("/a%252Fb", "/a%252Fb"),
            ("/a%2Fb%3Fc", "/a/b%3Fc"),
            ("/%ff", "/%EF%BF%BD"),
            ("/%zz", "/%25zz"),
            ("http://h.example:80/a?b", "http://h.example:80/a?b"),
        ] {
            assert_eq!(encoded_once(&sent.parse().unwrap()).unwrap().to_string(), read, "{sent}");
        }
    }

    #[test]
    fn a_target_that_is_no_path_is_refused() {
        for path in ["", "a", "http://h.example/", &"/a".repeat(40_000)] {
            assert!(from_decoded(path.as_bytes(), b"").is_err());
        }
    }
}
