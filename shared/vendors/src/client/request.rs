//! Sends a request to a vendor's endpoint: one client, built once, that follows nothing, repeats
//! nothing and reads no more than it must.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::client::body::{self, Raw};
use crate::client::egress::{self, Guard, Lookup};
use crate::client::tls::{self, BuildError};
use crate::descriptor::{ClientAuthentication, Encoding, Endpoint};
use crate::error::VendorError;

/// Time and size limits for a vendor call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The time to make a connection.
    pub connect: Duration,
    /// The time for a whole call, from the name's look-up to the last byte.
    pub total: Duration,
    /// The longest body that is read, in bytes.
    pub body: usize,
}

impl Default for Limits {
    /// 3 s, 10 s and 256 KiB: a token answer is a hundredth of that.
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(10), body: 256 * 1024 }
    }
}

/// The parameters that are no secret.
const OPEN: [&str; 3] = ["grant_type", "redirect_uri", "token_type_hint"];

/// The client's credentials at the vendor.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// `client_secret`.
    pub secret: &'a SecretString,
}

/// What sends requests to vendors.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Goes where a descriptor says.
    fixed: reqwest::Client,
    /// Goes where a caller has a say, and only to public addresses.
    guarded: reqwest::Client,
    longest_body: usize,
}

impl Sender {
    /// Builds the client: a fresh connection for every call, since one gone stale in a frozen function
    /// would leave in doubt whether a request had arrived.
    pub fn new(limits: Limits) -> Result<Self, BuildError> {
        Self::with(limits, egress::system())
    }

    /// Builds the client over another look-up of host names.
    pub fn with(limits: Limits, lookup: Lookup) -> Result<Self, BuildError> {
        let tls = tls::client()?;
        let client = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!("valetkey/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                // RFC 9112 section 5.2: a line that is folded is read. One odd header loses no answer.
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .pool_max_idle_per_host(0)
                .connect_timeout(limits.connect)
                .timeout(limits.total)
        };
        let build = |client: reqwest::ClientBuilder| client.build().map_err(|error| BuildError::new(&error));
        Ok(Self {
            fixed: build(client())?,
            guarded: build(client().dns_resolver(Arc::new(Guard(lookup))))?,
            longest_body: limits.body,
        })
    }

    /// Posts `parameters` to the endpoint at `url`, as `client`.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        url: &str,
        client: Client<'_>,
        parameters: Vec<(&str, &str)>,
    ) -> Result<Raw, VendorError> {
        self.request(Method::POST, endpoint, url, client, parameters, None).await
    }

    /// Sends `parameters` to the endpoint at `url`, as `client` or as the bearer of a token.
    pub(super) async fn request(
        &self,
        method: Method,
        endpoint: &Endpoint,
        url: &str,
        client: Client<'_>,
        mut parameters: Vec<(&str, &str)>,
        bearer: Option<&SecretString>,
    ) -> Result<Raw, VendorError> {
        parameters.extend(endpoint.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let http = if has_free_host(endpoint) { &self.guarded } else { &self.fixed };
        let has_body = method == Method::POST;
        let request = http.request(method, url).header(ACCEPT, "application/json");
        // Without it any coding would do (RFC 9110 section 12.5.3).
        let request = request.header(ACCEPT_ENCODING, "identity");
        let request = match endpoint.client_authentication {
            ClientAuthentication::ClientSecretBasic => request.header(AUTHORIZATION, basic(client)),
            ClientAuthentication::ClientSecretPost => {
                parameters.push(("client_id", client.id));
                parameters.push(("client_secret", client.secret.expose_secret()));
                request
            }
            ClientAuthentication::None => request,
        };
        let request = match bearer {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        let mut confided = confided(&parameters, client);
        confided.extend(bearer.cloned());
        let request = if parameters.is_empty() {
            // RFC 9110 section 8.6.
            if has_body { request.header(CONTENT_LENGTH, 0) } else { request }
        } else {
            let (kind, body) = encode(endpoint.encoding, &parameters);
            request.header(CONTENT_TYPE, kind).body(body)
        };
        let response = request.send().await.map_err(failed)?;
        read(response, self.longest_body, confided).await
    }
}

/// Tells whether a caller has a say in an endpoint's host.
fn has_free_host(endpoint: &Endpoint) -> bool {
    endpoint.url.contains("://{")
}

/// Collects what the vendor must not repeat: every parameter but those that are no secret. One that is
/// shorter than a secret would only make the vendor's words unreadable.
fn confided(parameters: &[(&str, &str)], client: Client<'_>) -> Vec<SecretString> {
    let secret = |(name, _): &&(&str, &str)| !OPEN.contains(name);
    let values = parameters.iter().filter(secret).map(|(_, value)| *value);
    let secret = client.secret.expose_secret();
    let pair = format!("{}:{secret}", client.id);
    let all = values.chain([client.id, secret, &pair]).filter(|value| value.len() >= 6);
    let mut spelled: Vec<_> = all.flat_map(spellings).collect();
    // The longest first: a part that is replaced would hide the rest of it.
    spelled.sort_by_key(|text| std::cmp::Reverse(text.len()));
    spelled.dedup();
    spelled.into_iter().map(SecretString::from).collect()
}

/// Spells a text as a vendor may repeat it: as it is, percent-encoded, form-encoded, in base64.
fn spellings(text: &str) -> Vec<String> {
    let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let lower = percent_lower(&percent);
    let base64 = [STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text)];
    [text.to_owned(), form.replace('+', "%20"), percent_lower(&form), form, percent, lower]
        .into_iter()
        .chain(base64)
        .collect()
}

/// Writes the hexadecimal digits of percent-encoded bytes small.
fn percent_lower(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_at_checked(2) {
        Some((digits, rest)) => format!("{text}%{}{rest}", digits.to_ascii_lowercase()),
        None => format!("{text}%{part}"),
    })
}

fn encode(encoding: Encoding, parameters: &[(&str, &str)]) -> (&'static str, String) {
    match encoding {
        Encoding::Form => (
            "application/x-www-form-urlencoded",
            Serializer::new(String::new()).extend_pairs(parameters).finish(),
        ),
        Encoding::Json => {
            let object: serde_json::Map<_, _> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            ("application/json", serde_json::Value::Object(object).to_string())
        }
    }
}

/// The `Authorization` header of RFC 6749 section 2.3.1: both parts form-encoded, then base64.
fn basic(client: Client<'_>) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client.id), encoded(client.secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(pair))
}

async fn read(
    mut response: reqwest::Response,
    longest: usize,
    confided: Vec<SecretString>,
) -> Result<Raw, VendorError> {
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let retry_after = header(RETRY_AFTER).and_then(|value| seconds_to_wait(value, header(DATE)));
    let (challenge, coding) = (header(WWW_AUTHENTICATE), header(CONTENT_ENCODING));
    let (challenge, coding) = (challenge.map(str::to_owned), coding.map(str::to_owned));
    let too_long = || VendorError::Malformed(format!("it is longer than {longest} bytes"));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > longest {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    let body = body::unpacked(body, coding.as_deref(), longest).ok_or_else(too_long)?;
    Ok(Raw { status, retry_after, challenge, body, confided })
}

/// Reads `Retry-After`: seconds, of which a part is one more, or a date, against the answer's own (RFC 9110 section
/// 10.2.3).
fn seconds_to_wait(value: &str, date: Option<&str>) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped before")]
    let whole = |seconds: f64| seconds.clamp(0.0, f64::from(u32::MAX)).ceil() as u64;
    if let Ok(seconds) = value.parse::<f64>() {
        return seconds.is_finite().then(|| whole(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?).ok()?;
    Some(until.duration_since(now).unwrap_or_default().as_secs())
}

/// Sorts a transport error by whether the request can have arrived. Its URL is left out, since it may
/// name a tenant.
fn failed(error: reqwest::Error) -> VendorError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if error.is_connect() { VendorError::Unreachable(text) } else { VendorError::InDoubt(text) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded_before_base64() {
        let secret = "s:c&+ é".to_owned().into();
        let header = basic(Client { id: "a b", secret: &secret });
        let pair = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a+b:s%3Ac%26%2B+%C3%A9");
    }

    #[test]
    fn bodies_are_written_as_the_descriptor_says() {
        let parameters = [("code", "a b&c"), ("x", "\"")];
        assert_eq!(encode(Encoding::Form, &parameters).1, "code=a+b%26c&x=%22");
        assert_eq!(encode(Encoding::Json, &parameters).1, r#"{"code":"a b&c","x":"\""}"#);
    }

    /// Serves one connection: waits for a request, writes `bytes`, and then neither writes nor hangs up.
    async fn stuck_vendor(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(bytes).await.unwrap();
            std::future::pending::<()>().await;
        });
        url
    }

    fn endpoint(url: &str) -> Endpoint {
        Endpoint {
            url: url.to_owned(),
            client_authentication: ClientAuthentication::ClientSecretPost,
            encoding: Encoding::Form,
            extra: std::collections::BTreeMap::new(),
        }
    }

    async fn send(url: &str, limits: Limits) -> Result<Raw, VendorError> {
        let secret = "s".to_owned().into();
        let client = Client { id: "i", secret: &secret };
        Sender::new(limits).unwrap().send(&endpoint(url), url, client, vec![]).await
    }

    /// Sends to a host that a caller named, whose look-up answers what `answers` says, one time after
    /// the other; tells how it ended and how often the name was looked up.
    async fn send_guarded(answers: Vec<Vec<std::net::SocketAddr>>) -> (Result<Raw, VendorError>, usize) {
        let looked_up = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&looked_up);
        let lookup: Lookup = Arc::new(move |_| {
            let turn = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let found = answers[turn.min(answers.len() - 1)].clone();
            Box::pin(async move { Ok(found) })
        });
        let sender = Sender::with(Limits::default(), lookup).unwrap();
        let secret = "s".to_owned().into();
        let client = Client { id: "i", secret: &secret };
        let free = endpoint("http://{host}/token");
        let outcome = sender.send(&free, "http://acme.example.com/token", client, vec![]).await;
        (outcome, looked_up.load(std::sync::atomic::Ordering::SeqCst))
    }

    #[tokio::test]
    async fn an_allowed_name_that_leads_to_a_private_address_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let metadata = "169.254.169.254:80".parse().unwrap();
        for answers in [vec![vec![here]], vec![vec![metadata]], vec![vec![here, metadata]], vec![vec![]]] {
            let (outcome, looked_up) = send_guarded(answers).await;
            assert!(matches!(outcome, Err(VendorError::Unreachable(_))));
            assert_eq!(looked_up, 1, "nothing is looked up a second time");
        }
        let connected = futures_util::FutureExt::now_or_never(listener.accept());
        assert!(connected.is_none(), "nobody has connected");
    }

    #[tokio::test]
    async fn a_vendor_that_goes_silent_is_left_at_the_deadline_and_in_doubt() {
        let limits = Limits { total: Duration::from_millis(50), ..Limits::default() };
        for said in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
            let outcome = send(&stuck_vendor(said).await, limits).await;
            assert!(matches!(outcome, Err(VendorError::InDoubt(_))));
        }
    }

    #[tokio::test]
    async fn a_vendor_that_drips_is_left_at_the_deadline_too() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await.unwrap();
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let limits = Limits { total: Duration::from_millis(60), ..Limits::default() };
        assert!(matches!(send(&url, limits).await, Err(VendorError::InDoubt(_))));
    }

    #[tokio::test]
    async fn a_compressed_body_that_nobody_asked_for_is_unpacked() {
        let packed = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 22\r\n\r\n\
            \x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
        let raw = send(&stuck_vendor(packed).await, Limits::default()).await.unwrap();
        assert_eq!(raw.body, b"{}");
    }

    #[tokio::test]
    async fn an_odd_header_loses_no_answer() {
        for headers in ["x: a\r\n b", "x : a", "x: \u{1}", "x"] {
            let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: 2\r\n\r\n{{}}");
            let raw = send(&stuck_vendor(answer.leak().as_bytes()).await, Limits::default()).await.unwrap();
            assert_eq!(raw.body, b"{}", "{headers:?}");
        }
    }

    #[test]
    fn a_wait_is_read_in_every_form() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (value, seconds) in [
            ("120", Some(120)),
            ("1.5", Some(2)),
            ("0", Some(0)),
            ("-1", Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("soon", None),
            ("NaN", None),
        ] {
            assert_eq!(seconds_to_wait(value, Some(date)), seconds, "{value}");
        }
        assert_eq!(seconds_to_wait("Sun, 06 Nov 1994 08:51:37 GMT", None), None);
    }

    #[test]
    fn what_was_confided_is_known_in_every_spelling() {
        let secret = "planted/secret+1 é".to_owned().into();
        let spelled = confided(&[], Client { id: "planted-id", secret: &secret });
        for text in [
            "planted/secret+1 é",
            "planted%2Fsecret%2B1+%C3%A9",
            "planted%2Fsecret%2B1%20%C3%A9",
            "planted%2fsecret%2b1+%c3%a9",
            "cGxhbnRlZC9zZWNyZXQrMSDDqQ==",
            &STANDARD.encode("planted-id:planted/secret+1 é"),
        ] {
            assert!(spelled.iter().any(|known| text.contains(known.expose_secret())), "{text}");
        }
    }

    #[tokio::test]
    async fn a_long_body_is_cut_at_the_limit_and_not_waited_for() {
        let limits = Limits { body: 8, ..Limits::default() };
        let url = stuck_vendor(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n0123456789").await;
        assert!(matches!(send(&url, limits).await, Err(VendorError::Malformed(_))));
    }

    #[tokio::test]
    async fn a_refused_connection_is_known_to_have_sent_nothing() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let outcome = send(&format!("http://{address}/token"), Limits::default()).await;
        assert!(matches!(outcome, Err(VendorError::Unreachable(_))));
    }
}
