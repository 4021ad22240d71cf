//! Where hosted connect sends browsers back to: addresses on a list, letter by letter, and nowhere else.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{Client, ok, outcome};
use tests::visitor::{Visitor, own_client};

use crate::both::connect_attacks::started;

/// Where a browser must never be sent, with a list that allows `https://app.example/back`.
const EVIL: [&str; 44] = [
    "//evil.example",
    "//evil.example/back",
    "/back",
    "back",
    "https:/app.example/back",
    "https:app.example/back",
    "https:///app.example/back",
    "https:\\\\app.example\\back",
    "https://app.example\\@evil.example/back",
    "javascript:alert(1)",
    "JaVaScRiPt://app.example/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "ftp://app.example/back",
    "http://app.example/back",
    "http://127.0.0.1.evil.example/back",
    "https://user@app.example/back",
    "https://user:pw@app.example/back",
    "https://app.example@evil.example/back",
    "https://@app.example/back",
    "https://app.example/back#",
    "https://app.example/back#fragment",
    "https://app.example/back\t",
    " https://app.example/back",
    "https://app.example/\tback",
    "https://app.example/back\r\nLocation: https://evil.example",
    "https://app.example/back%0d%0a",
    "https://app.example/back\u{0}",
    "https://app.example/back/",
    "https://app.example/back/../evil",
    "https://app.example/./back",
    "https://app.example/back?",
    "https://app.example/back?x=1",
    "https://app.example/backlog",
    "https://app.example/bac",
    "https://app.example/BACK",
    "https://APP.example/back",
    "HTTPS://app.example/back",
    "https://app.example./back",
    "https://app.example:443/back",
    "https://app.example.evil.example/back",
    "https://evilapp.example/back",
    "https://app.examp\u{0142}e/back",
    "https://app.example/b\u{00e1}ck",
];

#[tokio::test]
async fn a_return_url_is_on_the_list_letter_by_letter_or_refused_at_the_door() {
    let (_vendor, broker) = started().await;
    let client = &broker.client;
    client.allow(&["https://app.example/back"]).await;
    let links = |url: Value| {
        let body = json!({"configuration": own_client(), "returnUrl": url});
        client.call(Method::POST, "/elements/faulty/links").json(&body)
    };
    for url in EVIL {
        let (status, answer) = outcome(links(json!(url))).await;
        assert!(
            status == 400 && answer["message"].as_str().unwrap().contains("returnUrl"),
            "{url:?} {answer}"
        );
    }
    ok(links(json!("https://app.example/back"))).await;
    // What is never one cannot be allowed either.
    for url in &EVIL[..28] {
        let body = json!({"returnUrls": [url]});
        let (status, _) = outcome(client.call(Method::PUT, "/users/1/return-urls").json(&body)).await;
        assert!(status == 400 || *url == "https://app.example/back%0d%0a", "{url:?}");
    }
    // Another user's list is another list.
    let user = ok(client.call(Method::POST, "/users").json(&json!({"emailAddress": "b@example.com"}))).await;
    let other = Client { user: user["userSecret"].as_str().unwrap().to_owned(), ..client.clone() };
    let body = json!({"configuration": own_client(), "returnUrl": "https://app.example/back"});
    assert_eq!(outcome(other.call(Method::POST, "/elements/faulty/links").json(&body)).await.0, 400);
}

#[tokio::test]
async fn a_return_url_of_the_deployment_is_every_users() {
    let broker = Broker::start(&["--return-url", "https://all.example/back"]).await;
    let link = broker.client.link("infusionsoftcrm", json!({"returnUrl": "https://all.example/back"})).await;
    let got = Visitor::new(&broker.client).connects(&link, "allow").await;
    assert_eq!(got.location.unwrap().as_str(), "https://all.example/back?instanceId=1");
}
