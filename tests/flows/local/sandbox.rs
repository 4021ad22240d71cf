//! The sandbox vendor over HTTP: as strict as the vendor that it plays, by the command line's habits.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, API_SECRET, CALLBACK, outcome};

fn token(broker: &Broker) -> RequestBuilder {
    broker.client.http.post(format!("{}/sandbox/token", broker.client.base))
}

fn exchange(code: &str) -> [(&str, &str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("client_id", API_KEY),
        ("client_secret", API_SECRET),
    ]
}

async fn refresh(broker: &Broker, refresh_token: &Value, secret: &str) -> (u16, Value) {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str().unwrap())];
    outcome(token(broker).basic_auth(API_KEY, Some(secret)).form(&form)).await
}

#[tokio::test]
async fn codes_take_a_form_with_the_client_in_the_body() {
    let broker = Broker::start(&[]).await;
    let code = broker.client.code("infusionsoftcrm").await;
    let as_json: serde_json::Map<String, Value> =
        exchange(&code).iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let (status, answer) = outcome(token(&broker).json(&as_json)).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "a JSON body is refused");
    let in_header = token(&broker).basic_auth(API_KEY, Some(API_SECRET)).form(&exchange(&code)[..3]);
    let (status, answer) = outcome(in_header).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    let (status, answer) = outcome(token(&broker).form(&exchange(&code))).await;
    assert_eq!((status, &answer["scope"]), (200, &json!("full|xx123.infusionsoft.com")));
    let (status, answer) = outcome(token(&broker).form(&exchange(&code))).await;
    assert_eq!((status, &answer["error_description"]), (400, &json!("Authorization code is invalid")));
    assert_eq!(broker.stats().await["exchanges"], 1);
}

#[tokio::test]
async fn refreshes_take_basic_and_rotate_and_a_reuse_kills_the_grant() {
    let broker = Broker::start(&["--sandbox-access-lifetime", "77"]).await;
    let code = broker.client.code("infusionsoftcrm").await;
    let (_, first) = outcome(token(&broker).form(&exchange(&code))).await;
    assert_eq!(first["expires_in"], 77);
    let mut in_body = exchange(&code).to_vec();
    in_body[0] = ("grant_type", "refresh_token");
    in_body[1] = ("refresh_token", first["refresh_token"].as_str().unwrap());
    assert_eq!(outcome(token(&broker).form(&in_body)).await.0, 401, "the client must be in the header");
    let (status, answer) = refresh(&broker, &first["refresh_token"], "another").await;
    let words = "Unable to authenticate username and password";
    assert_eq!((status, &answer["error_description"]), (401, &json!(words)));
    assert_eq!(
        refresh(&broker, &json!(""), API_SECRET).await.1["error_description"],
        "Invalid Refresh Token"
    );

    let (status, second) = refresh(&broker, &first["refresh_token"], API_SECRET).await;
    assert_eq!(status, 200);
    assert_eq!(broker.client.userinfo(first["access_token"].as_str().unwrap()).await, 401);
    assert_eq!(broker.client.userinfo(second["access_token"].as_str().unwrap()).await, 200);
    let (status, answer) = refresh(&broker, &first["refresh_token"], API_SECRET).await;
    assert_eq!((status, &answer["error_description"]), (400, &json!("Invalid refresh token")));
    assert_eq!(broker.client.userinfo(second["access_token"].as_str().unwrap()).await, 401);
    let stats = broker.stats().await;
    assert_eq!((&stats["refreshes"], &stats["reuses"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn the_grace_and_the_refresh_tokens_lifetime_are_as_the_options_say() {
    let broker = Broker::start(&["--sandbox-grace", "3600"]).await;
    let code = broker.client.code("infusionsoftcrm").await;
    let (_, first) = outcome(token(&broker).form(&exchange(&code))).await;
    let (_, second) = refresh(&broker, &first["refresh_token"], API_SECRET).await;
    let (status, again) = refresh(&broker, &first["refresh_token"], API_SECRET).await;
    assert_eq!((status, &again["access_token"]), (200, &second["access_token"]));
    let broker = Broker::start(&["--sandbox-refresh-lifetime", "0"]).await;
    let code = broker.client.code("infusionsoftcrm").await;
    let (_, first) = outcome(token(&broker).form(&exchange(&code))).await;
    assert_eq!(refresh(&broker, &first["refresh_token"], API_SECRET).await.0, 400, "it expired at once");
}
