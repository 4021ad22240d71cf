//! An event of an HTTP API, payload format 2.0, as a request; an answer as its response
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
//!
//! Whoever sends a request decides what many of the event's strings hold. They are read as bytes, and a header
//! that cannot be used is left out, so that no request makes an invocation fail.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::Error;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{COOKIE, HOST, SET_COOKIE};
use lambda_http::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use lambda_http::lambda_runtime::LambdaInvocation;
use lambda_http::{Body, Request, Response};
use serde::de::{self, Deserialize, Deserializer};
use web::target;

/// An event; `None` when it is none of an HTTP API's.
pub struct Event(Option<Fields>);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Fields::deserialize(deserializer).ok()))
    }
}

/// What a request is made of.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    /// Decoded.
    raw_path: Text,
    /// As it came.
    raw_query_string: Option<Text>,
    headers: Option<HashMap<Text, Text>>,
    /// Each `name=value`; they are not among the headers.
    cookies: Option<Vec<Text>>,
    body: Option<Text>,
    is_base64_encoded: Option<bool>,
    request_context: RequestContext,
}

/// What the gateway knows of a request.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    domain_name: Option<Text>,
    http: Http,
}

/// The request line.
#[derive(serde::Deserialize)]
struct Http {
    method: Text,
}

/// A string of JSON as bytes, which may hold what no text may: a lone surrogate.
#[derive(Default, PartialEq, Eq, Hash)]
struct Text(Vec<u8>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// Reads a [`Text`].
struct Bytes;

impl de::Visitor<'_> for Bytes {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
        Ok(Text(bytes.to_vec()))
    }
}

/// Reads an event as [`super::serve`] does.
pub fn read(json: &[u8]) -> Event {
    serde_json::from_slice(&with_valid_escapes(json)).unwrap_or(Event(None))
}

/// Makes a request of an event.
pub fn to_request(event: Event) -> Result<Request, Error> {
    let fields = event.0.ok_or_else(|| Error::Invalid("The event is no request of an HTTP API".into()))?;
    let RequestContext { domain_name, http } = fields.request_context;
    let headers = headers(fields.headers.unwrap_or_default(), fields.cookies.unwrap_or_default());
    let target = target::from_decoded(&fields.raw_path.0, &fields.raw_query_string.unwrap_or_default().0)?;
    let mut request = Request::default();
    *request.uri_mut() = uri(target, &headers, domain_name.as_ref())?;
    *request.method_mut() = Method::from_bytes(&http.method.0)
        .map_err(|_| Error::Invalid("The request has no usable method".into()))?;
    *request.headers_mut() = headers;
    *request.body_mut() = body(fields.body.unwrap_or_default(), fields.is_base64_encoded == Some(true))?;
    Ok(request)
}

/// Takes the headers and cookies that can be used.
fn headers(given: HashMap<Text, Text>, cookies: Vec<Text>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(given.len() + 1);
    for (name, value) in given {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&name.0), HeaderValue::try_from(value.0)) {
            headers.append(name, value);
        }
    }
    let usable = |cookie: &Text| HeaderValue::from_bytes(&cookie.0).is_ok();
    let cookies: Vec<_> = cookies.into_iter().filter(usable).map(|cookie| cookie.0).collect();
    if let (false, Ok(line)) = (cookies.is_empty(), HeaderValue::try_from(cookies.join(b"; ".as_slice()))) {
        headers.append(COOKIE, line);
    }
    headers
}

/// Makes the URI that the client asked for. Without a usable host it has none.
fn uri(target: PathAndQuery, headers: &HeaderMap, domain: Option<&Text>) -> Result<Uri, Error> {
    let scheme = match headers.get("x-forwarded-proto") {
        Some(scheme) if scheme == "http" => Scheme::HTTP,
        _ => Scheme::HTTPS,
    };
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let mut hosts = host.into_iter().chain(domain.map(|domain| domain.0.as_slice()));
    let mut parts = Parts::default();
    parts.authority = hosts.find_map(|host| authority(host, &scheme));
    parts.scheme = parts.authority.is_some().then_some(scheme);
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|error| Error::Invalid(format!("The request has no usable URI: {error}")))
}

/// Reads a host and its port, which goes where it is the scheme's own.
fn authority(host: &[u8], scheme: &Scheme) -> Option<Authority> {
    let is_of_a_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    let host = std::str::from_utf8(host).ok().filter(|host| host.bytes().all(|byte| is_of_a_host(&byte)))?;
    let host = host.to_ascii_lowercase();
    let usual = if *scheme == Scheme::HTTP { ":80" } else { ":443" };
    host.strip_suffix(usual).unwrap_or(&host).parse().ok()
}

fn body(text: Text, is_base64: bool) -> Result<Body, Error> {
    let bytes = if is_base64 {
        STANDARD.decode(text.0).map_err(|_| Error::Invalid("The body did not arrive".into()))?
    } else {
        text.0
    };
    Ok(if bytes.is_empty() { Body::Empty } else { Body::Binary(bytes) })
}

/// Makes a response of an answer, whose cookies the gateway takes apart from the headers.
pub(super) fn to_response(answer: Response<Body>) -> ApiGatewayV2httpResponse {
    let (parts, body) = answer.into_parts();
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = parts.status.as_u16().into();
    response.headers = parts.headers;
    let cookies = response.headers.get_all(SET_COOKIE).iter();
    response.cookies = cookies.filter_map(|cookie| Some(cookie.to_str().ok()?.to_owned())).collect();
    response.headers.remove(SET_COOKIE);
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = Some(body).filter(|body| !body.is_empty());
    response
}

/// Mends what the JSON of an event may hold that no JSON may: a backslash that begins no escape stands for itself.
pub(super) fn mended(mut invocation: LambdaInvocation) -> LambdaInvocation {
    if let Cow::Owned(body) = with_valid_escapes(&invocation.body) {
        invocation.body = body.into();
    }
    invocation
}

fn with_valid_escapes(json: &[u8]) -> Cow<'_, [u8]> {
    let (mut mended, mut copied, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        if let Some(length) = escape(&json[at..]) {
            at += length;
        } else {
            mended.extend_from_slice(&json[copied..at]);
            mended.push(b'\\');
            (copied, at) = (at, at + 1);
        }
    }
    if mended.is_empty() {
        return Cow::Borrowed(json);
    }
    mended.extend_from_slice(&json[copied..]);
    Cow::Owned(mended)
}

/// Tells the length of the escape that this begins with (RFC 8259 section 7).
fn escape(json: &[u8]) -> Option<usize> {
    match json.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' if json.get(2..6)?.iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes the request of an event whose JSON is odd.
    fn request_of(json: &[u8]) -> Result<Request, Error> {
        to_request(read(json))
    }

    /// Makes the request of an event with these members besides those that every event has.
    fn request(members: &str) -> Result<Request, Error> {
        let rest = r#""requestContext": {"domainName": "d.example", "http": {"method": "GET"}}"#;
        request_of(format!("{{{members}, {rest}}}").as_bytes())
    }

    #[test]
    fn an_event_becomes_the_request_that_was_sent() {
        let made = request(
            r#""rawPath": "/a b/é%2F", "rawQueryString": "c=<d>&e=%3D", "cookies": ["f=g", "h=i"], "body": "PD4=",
            "isBase64Encoded": true, "headers": {"host": "H.example:443", "x-forwarded-proto": "https", "a": "b"}"#,
        )
        .unwrap();
        assert_eq!(made.uri(), "https://h.example/a%20b/%C3%A9%252F?c=%3Cd%3E&e=%3D");
        assert_eq!((made.method(), &made.headers()["a"]), (&Method::GET, &HeaderValue::from_static("b")));
        assert_eq!(made.headers()[COOKIE], "f=g; h=i");
        assert_eq!(made.body().as_ref(), b"<>");
        let made = request(r#""rawPath": "/", "headers": null, "cookies": null, "body": null"#).unwrap();
        assert_eq!((made.uri().to_string().as_str(), made.headers().len()), ("https://d.example/", 0));
        assert!(made.body().is_empty());
    }

    #[test]
    fn what_cannot_be_used_is_left_out() {
        for value in [r"a\nb", r"a\u0000", r"\u007f", "\u{7f}", r"\r"] {
            let made =
                request(&format!(r#""rawPath": "/", "headers": {{"x": "{value}", "y": "z", "é": "w"}}"#));
            assert_eq!(made.unwrap().headers().len(), 1, "{value}");
        }
        let made = request(r#""rawPath": "/", "cookies": ["a=\n", "b=c", "d=é"]"#).unwrap();
        assert_eq!(made.headers()[COOKIE], "b=c; d=é");
    }

    #[test]
    fn a_lone_surrogate_is_bytes_that_are_no_text() {
        let members = r#""rawPath": "/\ud800", "rawQueryString": "a=\udfff", "headers": {"x": "\ud800"}, "body": "\ud800""#;
        let made = request(members).unwrap();
        let replaced = "%EF%BF%BD".repeat(3);
        assert_eq!(made.uri(), format!("https://d.example/{replaced}?a=%ED%BF%BF").as_str());
        assert!(made.headers()["x"].to_str().is_err());
        assert_eq!(made.body().as_ref(), b"\xED\xA0\x80");
    }

    #[test]
    fn the_address_is_of_the_first_host_that_can_be_one() {
        for (host, expected) in [
            (r#""host": "a.example:8080""#, "https://a.example:8080/"),
            (r#""host": "[::1]:9", "x-forwarded-proto": "http""#, "http://[::1]:9/"),
            (r#""host": "a.example:80", "x-forwarded-proto": "http""#, "http://a.example/"),
            (r#""host": "a.example", "x-forwarded-proto": "gopher""#, "https://a.example/"),
            (r#""host": """#, "https://d.example/"),
            (r#""host": "a.example,b.example""#, "https://d.example/"),
            (r#""host": "user@a.example""#, "https://d.example/"),
            (r#""host": "a.example/b""#, "https://d.example/"),
            (r#""host": ":::""#, "https://d.example/"),
            (r#""host": "\ud800""#, "https://d.example/"),
            (r#""other": "a""#, "https://d.example/"),
        ] {
            let made = request(&format!(r#""rawPath": "/", "headers": {{{host}}}"#)).unwrap();
            assert_eq!(made.uri().to_string(), expected, "{host}");
        }
        let json = br#"{"rawPath": "/", "requestContext": {"domainName": "<>", "http": {"method": "GET"}}}"#;
        assert_eq!(request_of(json).unwrap().uri(), "/");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for json in [
            "{}",
            "null",
            "[1]",
            r#"{"rawPath": 1, "requestContext": {"http": {"method": "GET"}}}"#,
            r#"{"rawPath": "a", "requestContext": {"http": {"method": "GET"}}}"#,
            r#"{"rawPath": "/", "requestContext": {"http": {"method": "G T"}}}"#,
            r#"{"rawPath": "/", "body": "?", "isBase64Encoded": true, "requestContext": {"http": {"method": "GET"}}}"#,
        ] {
            assert!(matches!(request_of(json.as_bytes()), Err(Error::Invalid(_))), "{json}");
        }
    }

    #[test]
    fn a_backslash_that_begins_no_escape_stands_for_itself() {
        for valid in [r#""\"\\\/\b\f\n\r\t\u00ee""#, "", "\"\""] {
            assert!(matches!(with_valid_escapes(valid.as_bytes()), Cow::Borrowed(_)), "{valid}");
        }
        for (odd, mended) in [
            (r#""a\xEEb\n\x""#, r#""a\\xEEb\n\\x""#),
            (r#""\u12g4""#, r#""\\u12g4""#),
            (r"\", r"\\"),
            (r"\u12", r"\\u12"),
        ] {
            assert_eq!(with_valid_escapes(odd.as_bytes()), mended.as_bytes(), "{odd}");
        }
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let mut answer = Response::new(Body::from("{}"));
        answer.headers_mut().append(SET_COOKIE, HeaderValue::from_static("a=b"));
        answer.headers_mut().append(SET_COOKIE, HeaderValue::from_static("c=d"));
        answer.headers_mut().append("x", HeaderValue::from_static("y"));
        let made = serde_json::to_value(to_response(answer)).unwrap();
        assert_eq!((&made["statusCode"], &made["body"]), (&200.into(), &"{}".into()));
        assert_eq!(made["headers"], serde_json::json!({"x": "y"}));
        assert_eq!(made["cookies"], serde_json::json!(["a=b", "c=d"]));
        assert_eq!(made["isBase64Encoded"], false);
        let made = serde_json::to_value(to_response(Response::new(Body::Empty))).unwrap();
        assert!(made.get("body").is_none());
    }
}
