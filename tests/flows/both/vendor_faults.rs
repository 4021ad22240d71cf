//! A vendor that misbehaves: the answer is right, and nothing is made.

use reqwest::Method;
use tests::broker::Broker;
use tests::client::outcome;
use tests::vendor::Vendor;

const GRANTED: &str = r#"{"access_token":"planted-access","token_type":"bearer","expires_in":3600}"#;

#[tokio::test]
async fn every_misbehaviour_has_its_status_and_makes_nothing() {
    let vendor = Vendor::start().await;
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(300 * 1024));
    let redirect = format!("location: {}/sandbox/stats\r\n", client.base);
    let cases = [
        ("a redirect", "302 Found", redirect.as_str(), "", 502),
        ("a page", "200 OK", "content-type: text/html\r\n", "<html>", 502),
        ("an empty body", "200 OK", "", "", 502),
        ("half a body", "200 OK", "", r#"{"access_token":"pla"#, 502),
        ("a form", "200 OK", "", "access_token=planted-access&token_type=bearer", 502),
        ("a MAC token", "200 OK", "", r#"{"access_token":"planted-access","token_type":"mac"}"#, 502),
        ("too long a body", "200 OK", "", long.as_str(), 502),
        ("an error with 200", "200 OK", "", r#"{"error":"invalid_grant"}"#, 400),
        ("a refusal", "400 Bad Request", "", r#"{"error":"invalid_grant"}"#, 400),
        ("a bad client", "401 Unauthorized", "", r#"{"error":"invalid_client"}"#, 400),
        ("a failure", "500 Internal Server Error", "", GRANTED, 502),
        ("too many calls", "429 Too Many Requests", "retry-after: 7\r\n", "", 503),
        ("maintenance", "503 Service Unavailable", "", "", 503),
    ];
    for (what, status, headers, sent, expected) in cases {
        vendor.answers(status, headers, sent);
        let before = vendor.requests().len();
        let code = format!("planted-code {what}");
        let response = client.create("faulty", &code, what).send().await.unwrap();
        assert_eq!(response.status(), expected, "{what}");
        let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(retry.is_some(), expected == 503, "{what}");
        assert!(what != "too many calls" || retry.as_deref() == Some("7"));
        let text = response.text().await.unwrap();
        assert!(!text.contains("planted"), "{what}: {text}");
        assert_eq!(vendor.requests().len(), before + 1, "{what}: one request, whatever came of it");
        assert_eq!(outcome(client.call(Method::GET, "/instances")).await.0, 404, "{what}");
    }
    vendor.answers_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"access_token\":".to_vec());
    assert_eq!(
        outcome(client.create("faulty", "planted-cut-off", "cut off")).await.0,
        504,
        "the code may be spent"
    );
    vendor.answers("200 OK", "", GRANTED);
    assert_eq!(outcome(client.create("faulty", "c", "after all that")).await.0, 200);
}

#[tokio::test]
async fn a_vendor_that_repeats_our_secret_does_not_tell_it_to_anyone() {
    let vendor = Vendor::start().await;
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    let echo = r#"{"error":"invalid_grant","error_description":"no: planted-api-secret planted-code"}"#;
    vendor.answers("400 Bad Request", "", echo);
    let (_, answer) = outcome(broker.client.create("faulty", "planted-code", "Echo")).await;
    assert_eq!(answer["providerMessage"], "no: [redacted] [redacted]");
}

#[tokio::test]
async fn a_vendor_that_repeats_a_token_does_not_bring_it_into_the_log() {
    let vendor = Vendor::start().await;
    let broker =
        Broker::start(&["--log", "debug", "--elements", vendor.elements.path().to_str().unwrap()]).await;
    vendor.answers("200 OK", "", r#"{"access_token":"planted-access","refresh_token":"planted-refresh"}"#);
    assert_eq!(outcome(broker.client.create("faulty", "planted-code", "Logged")).await.0, 200);
    vendor.answers(
        "400 Bad Request",
        "",
        r#"{"error":"invalid_request","error_description":"unknown: planted-refresh"}"#,
    );
    assert_eq!(outcome(broker.client.call(Method::DELETE, "/instances/1")).await.0, 200);
    let odd = r#"{"access_token":"planted-access","token_type":"planted-access"}"#;
    vendor.answers("200 OK", "", odd);
    let (status, answer) = outcome(broker.client.create("faulty", "planted-other", "Odd")).await;
    assert!(status == 502 && !answer.to_string().contains("planted"), "{answer}");
    let log = std::fs::read_to_string(broker.log_path()).unwrap();
    assert!(log.contains("not revoked") && log.contains("[redacted]"), "{log}");
    assert!(!log.contains("planted"), "{log}");
}

#[tokio::test]
async fn the_exchange_is_the_request_of_rfc_6749() {
    let vendor = Vendor::start().await;
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    vendor.answers("200 OK", "", GRANTED);
    assert_eq!(outcome(broker.client.create("faulty", "a code&", "Sent")).await.0, 200);
    let requests = vendor.requests();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    assert!(head.contains("authorization: Basic cGxhbnRlZC1hcGkta2V5OnBsYW50ZWQtYXBpLXNlY3JldA=="), "{head}");
    assert_eq!(
        sent,
        "grant_type=authorization_code&code=a+code%26&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback"
    );
}

#[tokio::test]
async fn a_vendor_that_is_not_there_can_be_tried_again() {
    // Nobody listens there, and nobody else can have the port.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = nobody.local_addr().unwrap();
    let elements = {
        let vendor = Vendor::start().await;
        let path = vendor.elements.path().join("vendor.toml");
        let descriptor = std::fs::read_to_string(&path).unwrap();
        let token = descriptor.lines().find(|line| line.ends_with("/token\"")).unwrap().to_owned();
        std::fs::write(&path, descriptor.replace(&token, &format!("url = \"http://{closed}/token\"")))
            .unwrap();
        vendor.elements
    };
    let broker = Broker::start(&["--elements", elements.path().to_str().unwrap()]).await;
    let (status, answer) = outcome(broker.client.create("faulty", "c", "Nobody")).await;
    assert!(status == 502 && answer["message"].as_str().unwrap().contains("nothing was sent"), "{answer}");
}
