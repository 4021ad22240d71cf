//! What a request brings along, and how routes read it.

use broker::access::Credentials;
use broker::clock::Stopwatch;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::{CONTENT_TYPE, COOKIE};
use serde_json::Value;

use crate::authorization;
use crate::error::Error;

/// The most that one page of a list holds, and what it holds when the client does not say.
pub const PAGE_SIZE: usize = 200;

/// One request, read as far as every route needs it. It holds secrets and is not to be printed.
pub struct Call {
    /// The headers.
    pub headers: HeaderMap,
    /// Measures since the request came.
    pub watch: Stopwatch,
    /// The request's number, which is also in its answer.
    pub number: String,
    /// The scheme and host that the request was sent to, where a gateway vouches for them.
    pub origin: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// Reads the `Authorization` header.
    pub fn credentials(&self) -> Result<Credentials, broker::Error> {
        authorization::read(&self.headers).ok_or(broker::Error::Unauthorized)
    }

    /// Gives a parameter of the path, decoded.
    pub fn parameter(&self, name: &str) -> &str {
        value(&self.parameters, name).unwrap_or_default()
    }

    /// Gives a parameter of the query, the first of its name; nothing when it is empty.
    pub fn query(&self, name: &str) -> Option<&str> {
        value(&self.query, name).filter(|value| !value.is_empty())
    }

    /// Gives every parameter of the query, in order.
    pub fn queries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads the body as a form (`application/x-www-form-urlencoded`), in order.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Gives a cookie (RFC 6265 section 4.2), when there is exactly one of its name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        // Other cookies of the host may hold anything.
        let pairs =
            self.headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let mut found = pairs.filter_map(|pair| {
            let (known, value) = std::str::from_utf8(pair).ok()?.trim().split_once('=')?;
            (known == name).then_some(value)
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// Gives the `pageSize` asked for, 1 to [`PAGE_SIZE`]; more is cut down to that.
    pub fn page_size(&self) -> Result<usize, broker::Error> {
        let Some(given) = self.query("pageSize") else { return Ok(PAGE_SIZE) };
        match given.parse() {
            Ok(size @ 1..) => Ok(PAGE_SIZE.min(size)),
            _ => Err(broker::Error::Invalid(format!(
                "pageSize must be a number from 1 to {PAGE_SIZE}, not {given:?}"
            ))),
        }
    }

    /// Reads the body as a JSON object, whatever its content type says; an empty one is `{}`.
    pub fn object(&self) -> Result<serde_json::Map<String, Value>, Error> {
        let body = self.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(serde_json::Map::new());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(broker::Error::Invalid("The body must be a JSON object".into()).into()),
            Err(error) => Err(self.not_json(&error)),
        }
    }

    fn not_json(&self, error: &serde_json::Error) -> Error {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("none");
        if kind == "none" || kind.to_ascii_lowercase().contains("json") {
            return broker::Error::Invalid(format!("The body is not JSON: {error}")).into();
        }
        Error::UnsupportedMediaType(kind.chars().take(100).collect())
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
