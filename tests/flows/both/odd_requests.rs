//! Requests that hold what they should not: each is answered, in the contract's shape, and both kinds of
//! deployment say the same. The process for one machine gets them over a socket; a function gets the event that
//! the gateway would make of them.

use percent_encoding::percent_decode;
use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::{Broker, on_lambda};
use tests::client::outcome;
use tests::lambda::{Function, Invoked};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BASE: &str = "/elements/api-v2";
pub(crate) const OAUTH_URL: &str = "/elements/api-v2/elements/infusionsoftcrm/oauth/url";

/// A request, of bytes.
struct Odd {
    /// The function that the gateway gives it to.
    function: &'static str,
    method: &'static str,
    path: Vec<u8>,
    query: Vec<u8>,
    headers: Vec<(&'static str, Vec<u8>)>,
}

impl Odd {
    fn new(function: &'static str, path: impl Into<Vec<u8>>) -> Self {
        let host = ("host", b"api.example".to_vec());
        Self { function, method: "GET", path: path.into(), query: Vec::new(), headers: vec![host] }
    }

    fn query(self, query: impl Into<Vec<u8>>) -> Self {
        Self { query: query.into(), ..self }
    }

    fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends it, and gives the status, the headers and the body of the answer.
    async fn answer(&self, broker: &Broker) -> (u16, Value, String) {
        if on_lambda() {
            answer_of(broker.function(self.function), self.event()).await
        } else {
            over_a_socket(broker.client.port(), &self.bytes()).await
        }
    }

    /// Sends it, and gives the status and the JSON of the answer, without the request's number.
    async fn send(&self, broker: &Broker) -> (u16, Value) {
        in_shape(self.answer(broker).await)
    }

    /// What a client writes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.path].concat();
        if !self.query.is_empty() {
            bytes.extend([b"?".as_slice(), &self.query].concat());
        }
        bytes.extend(b" HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        [bytes, b"\r\n".to_vec()].concat()
    }

    /// What the gateway makes of it: the path is decoded, values of one header are joined.
    fn event(&self) -> Vec<u8> {
        let path: Vec<u8> = percent_decode(&self.path).collect();
        let mut headers = vec![("x-forwarded-proto", b"http".to_vec())];
        for (name, value) in &self.headers {
            match headers.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.extend([b",".as_slice(), value].concat()),
                None => headers.push((name, value.clone())),
            }
        }
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| {
                [&json_string(name.as_bytes()), b":".as_slice(), &json_string(value)].concat()
            })
            .collect();
        [
            br#"{"version":"2.0","routeKey":"$default","rawPath":"#.as_slice(),
            &json_string(&path),
            br#","rawQueryString":"#,
            &json_string(&self.query),
            br#","headers":{"#,
            &headers.join(b",".as_slice()),
            br#"},"requestContext":{"domainName":"api.example","stage":"$default","http":{"method":"#,
            &json_string(self.method.as_bytes()),
            br#"}},"isBase64Encoded":false}"#,
        ]
        .concat()
    }
}

/// Writes a string of JSON of any bytes: control bytes escaped, those beyond ASCII as they are.
fn json_string(bytes: &[u8]) -> Vec<u8> {
    let escaped = bytes.iter().flat_map(|byte| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        0..0x20 => format!("\\u{byte:04x}").into_bytes(),
        _ => vec![*byte],
    });
    std::iter::once(b'"').chain(escaped).chain(std::iter::once(b'"')).collect()
}

/// Invokes a function, and gives the status, the headers and the body of its answer.
pub(crate) async fn answer_of(function: &Function, event: Vec<u8>) -> (u16, Value, String) {
    let shown = String::from_utf8_lossy(&event).into_owned();
    let Invoked::Answered(answer) = function.invoke_raw(event).await else { panic!("it failed: {shown}") };
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
    (status, answer["headers"].clone(), answer["body"].as_str().unwrap_or_default().to_owned())
}

/// Sends bytes, and gives the status, the headers and the body of what comes back.
async fn over_a_socket(port: u16, bytes: &[u8]) -> (u16, Value, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    (status, headers.map(|(name, value)| (name.to_owned(), Value::from(value))).collect(), body.to_owned())
}

/// Checks that an answer has the contract's shape; gives its JSON without the request's number.
pub(crate) fn in_shape((status, headers, body): (u16, Value, String)) -> (u16, Value) {
    assert_eq!(headers["access-control-allow-origin"], "*", "{headers} {body}");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    if status >= 400 {
        assert_eq!(body["requestId"], headers["elements-request-id"], "{body}");
        body.as_object_mut().unwrap().remove("requestId");
        assert!(body["message"].is_string(), "{body}");
    }
    (status, body)
}

#[tokio::test]
async fn the_documents_template_line_is_told_what_is_wrong_with_it() {
    let broker = Broker::start(&[]).await;
    let line = "apiKey=<api_key>&apiSecret=<api_secret>&callbackUrl=<url>&siteAddress=<url>";
    let (status, answer) = Odd::new("oauth-url", OAUTH_URL).query(line).send(&broker).await;
    assert_eq!(
        (status, answer),
        (400, json!({"message": r#"callbackUrl must be an absolute URL: "<url>""#}))
    );
}

#[tokio::test]
async fn any_byte_in_a_query_is_read_as_if_it_were_encoded() {
    let broker = Broker::start(&[]).await;
    // What is pasted around a key is taken off; a state is the caller's own.
    let sent = |state: Vec<u8>| {
        let required = b"&apiKey=k&callbackUrl=https%3A%2F%2Fa.example%2F";
        let query = [b"state=a".as_slice(), &state, required].concat();
        Odd::new("oauth-url", OAUTH_URL).query(query)
    };
    for byte in 0..=u8::MAX {
        // These three mean something there; a line ends at a newline, in whatever it stands.
        if b"%&+".contains(&byte) || (byte == b'\n' && !on_lambda()) {
            continue;
        }
        let raw = sent(vec![byte]).send(&broker).await;
        let encoded = sent(format!("%{byte:02X}").into_bytes()).send(&broker).await;
        assert_eq!((raw.0, &raw), (200, &encoded), "{byte:#04x}");
        let url = url::Url::parse(raw.1["oauthUrl"].as_str().unwrap()).unwrap();
        let read = String::from_utf8_lossy(&[b'a', byte]).into_owned();
        assert_eq!(tests::client::parameter(&url, "state"), Some(read), "{byte:#04x}");
    }
}

#[tokio::test]
async fn any_byte_in_a_path_is_read_as_if_it_were_encoded() {
    let broker = Broker::start(&[]).await;
    let sent =
        |byte: &[u8]| Odd::new("elements", [BASE.as_bytes(), b"/elements/a", byte, b"/metadata"].concat());
    for byte in 0..=u8::MAX {
        if b"%/?".contains(&byte) || (byte == b'\n' && !on_lambda()) {
            continue;
        }
        let (status, answer) = sent(&[byte]).send(&broker).await;
        let read = String::from_utf8_lossy(&[b'a', byte]).into_owned();
        let message = format!("No element found with key {read}");
        assert_eq!((status, &answer["message"]), (404, &json!(message)), "{byte:#04x}");
        assert_eq!(sent(format!("%{byte:02X}").as_bytes()).send(&broker).await.1, answer, "{byte:#04x}");
    }
    // The gateway decodes a path before it gives it to a function: an encoded slash parts segments.
    let (status, answer) = sent(b"%2Fb").send(&broker).await;
    let nothing = json!({"message": "There is nothing at /elements/api-v2/elements/a/b/metadata"});
    assert_eq!((status, answer), (404, nothing));
}

#[tokio::test]
async fn a_header_that_cannot_be_used_is_as_good_as_none() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let secrets = format!("User {}, Organization {}", client.user, client.organization);
    let sent = || Odd::new("instances", format!("{BASE}/instances/1"));
    let known = sent().header("authorization", secrets.as_str()).send(&broker).await;
    assert_eq!(known.0, 404);
    // Over a socket one ends the line, and the server refuses the other.
    for byte in (0..=u8::MAX).filter(|byte| ![b'\n', b'\r'].contains(byte) || on_lambda()) {
        let other = sent().header("authorization", secrets.as_str()).header("user-agent", [b'a', byte, b'b']);
        assert_eq!(other.send(&broker).await, known, "{byte:#04x}");
        // A comma parts two credentials, of which the second is none.
        let own = [secrets.as_bytes(), &[byte], b"x"].concat();
        assert!(
            byte == b',' || sent().header("authorization", own).send(&broker).await.0 == 401,
            "{byte:#04x}"
        );
    }
    assert_eq!(sent().send(&broker).await.0, 401);
}

#[tokio::test]
async fn odd_hosts_and_cookies_change_no_answer() {
    let broker = Broker::start(&[]).await;
    let query = "apiKey=k&callbackUrl=https%3A%2F%2Fa.example";
    let sent = || Odd::new("oauth-url", OAUTH_URL).query(query);
    let usual = sent().send(&broker).await;
    assert_eq!(usual.0, 200);
    for host in ["", " ", "a b", "a,b", "user@a", "<>", "[", ":::", "\u{e9}", "a/../b"] {
        let odd = Odd { headers: vec![("host", host.into())], ..sent() };
        assert_eq!(odd.send(&broker).await, usual, "{host}");
    }
    assert_eq!(Odd { headers: vec![], ..sent() }.send(&broker).await, usual, "no host");
    assert_eq!(sent().header("host", "b.example").send(&broker).await, usual, "two hosts");
    for cookie in [b"a=\xEE".as_slice(), b"=;;", b"a=\x01", b"\xED\xA0\x80"] {
        assert_eq!(sent().header("cookie", cookie).send(&broker).await, usual);
    }
}

#[tokio::test]
async fn a_preflight_that_names_odd_headers_is_answered() {
    let broker = Broker::start(&[]).await;
    let odd = Odd { method: "OPTIONS", ..Odd::new("elements", format!("{BASE}/elements")) };
    let (status, headers, _) = odd.header("access-control-request-headers", b"x-\xEE").answer(&broker).await;
    assert_eq!(status, 200);
    assert_eq!(headers["access-control-allow-headers"], "Authorization, Content-Type, Accept");
}

#[tokio::test]
async fn a_body_that_is_no_text_is_refused() {
    let broker = Broker::start(&[]).await;
    let bodies = [b"\"\xED\xA0\x80\"".as_slice(), b"{\"a\": \"\xEE\"}", b"\x00", b"{\"name\": \"\\ud800\"}"];
    for body in bodies {
        let request =
            broker.client.call(Method::POST, "/instances").header("content-type", "application/json");
        let (status, answer) = outcome(request.body(body)).await;
        assert!(answer["message"].as_str().unwrap().starts_with("The body is not JSON"), "{answer}");
        assert!(status == 400 && answer["requestId"].is_string(), "{answer}");
    }
}
