//! Users: made, listed, changed and removed by admins, each with a secret and instances of their own.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{Client, ok, outcome};

/// Makes a user, and gives it with a client that shows its secret.
async fn make(admin: &Client, body: &Value) -> (Value, Client) {
    let user = ok(admin.call(Method::POST, "/users").json(body)).await;
    let client = Client { user: user["userSecret"].as_str().unwrap().to_owned(), ..admin.clone() };
    (user, client)
}

fn plain(address: &str) -> Value {
    json!({"emailAddress": address, "firstName": "A", "lastName": "B"})
}

#[tokio::test]
async fn a_user_is_made_with_a_secret_that_is_told_once() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let (made, second) = make(admin, &plain("second@example.com")).await;
    assert_eq!(
        (&made["admin"], &made["disabled"], &made["returnUrls"]),
        (&json!(false), &json!(false), &json!([]))
    );
    let shown = ok(admin.call(Method::GET, &format!("/users/{}", made["id"]))).await;
    assert_eq!((shown.get("userSecret"), &shown["emailAddress"]), (None, &json!("second@example.com")));
    let instance = second.instance("infusionsoftcrm", "Theirs").await;
    assert_eq!(instance["user"]["emailAddress"], "second@example.com");
    let listed = ok(admin.call(Method::GET, "/users")).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&second.user));
    let response = admin.call(Method::GET, "/users?pageSize=1").send().await.unwrap();
    let next = response.headers()["elements-next-page-token"].to_str().unwrap().to_owned();
    let rest = ok(admin.call(Method::GET, &format!("/users?pageSize=1&nextPage={next}"))).await;
    assert_eq!(rest[0]["id"], made["id"]);
}

#[tokio::test]
async fn only_admins_manage_users() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let (made, second) = make(admin, &plain("second@example.com")).await;
    let id = &made["id"];
    for (method, path) in [
        (Method::POST, "/users".to_owned()),
        (Method::GET, "/users".to_owned()),
        (Method::GET, format!("/users/{id}")),
        (Method::PATCH, format!("/users/{id}")),
        (Method::DELETE, format!("/users/{id}")),
        (Method::PUT, format!("/users/{id}/enabled")),
        (Method::DELETE, format!("/users/{id}/enabled")),
        (Method::POST, format!("/users/{id}/secret")),
        (Method::GET, format!("/users/{id}/return-urls")),
        (Method::PUT, format!("/users/{id}/return-urls")),
    ] {
        assert_eq!(outcome(second.call(method.clone(), &path)).await.0, 403, "{method} {path}");
        assert_eq!(outcome(second.bare(method.clone(), &path)).await.0, 401, "{method} {path}");
    }
    ok(admin.call(Method::PATCH, &format!("/users/{id}")).json(&json!({"admin": true}))).await;
    assert_eq!(outcome(second.call(Method::GET, "/users")).await.0, 200);
}

#[tokio::test]
async fn a_disabled_user_is_let_in_nowhere_and_loses_nothing() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let (made, second) = make(admin, &plain("second@example.com")).await;
    let instance = second.instance("infusionsoftcrm", "Theirs").await;
    let switch = format!("/users/{}/enabled", made["id"]);
    assert_eq!(admin.call(Method::DELETE, &switch).send().await.unwrap().status(), 200);
    assert_eq!(outcome(second.call(Method::GET, "/instances")).await.0, 401);
    let by_token =
        second.call_as(instance["token"].as_str().unwrap(), Method::GET, "/instances/access-token");
    assert_eq!(outcome(by_token).await.0, 401);
    assert_eq!(admin.call(Method::PUT, &switch).send().await.unwrap().status(), 200);
    second.access_token(&instance["id"]).await;
}

#[tokio::test]
async fn a_new_secret_takes_the_place_of_the_old() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let (made, second) = make(admin, &plain("second@example.com")).await;
    let instance = second.instance("infusionsoftcrm", "Theirs").await;
    for _ in 0..2 {
        let renewed = ok(admin.call(Method::POST, &format!("/users/{}/secret", made["id"]))).await;
        let fresh = Client { user: renewed["userSecret"].as_str().unwrap().to_owned(), ..admin.clone() };
        assert_eq!(outcome(second.call(Method::GET, "/instances")).await.0, 401, "the old one is dead");
        fresh.access_token(&instance["id"]).await;
    }
    // An admin's own too.
    let me = ok(admin.call(Method::GET, "/users")).await[0]["id"].clone();
    let renewed = ok(admin.call(Method::POST, &format!("/users/{me}/secret"))).await;
    assert_eq!(outcome(admin.call(Method::GET, "/users")).await.0, 401);
    let fresh = Client { user: renewed["userSecret"].as_str().unwrap().to_owned(), ..admin.clone() };
    assert_eq!(outcome(fresh.call(Method::GET, "/users")).await.0, 200);
}

#[tokio::test]
async fn a_user_with_instances_is_removed_only_with_them() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let (made, second) = make(admin, &plain("second@example.com")).await;
    for _ in 0..3 {
        second.instance("infusionsoftcrm", "Theirs").await;
    }
    let mine = admin.instance("infusionsoftcrm", "Mine").await;
    let path = format!("/users/{}", made["id"]);
    let (status, answer) = outcome(admin.call(Method::DELETE, &path)).await;
    assert!(status == 409 && answer["message"].as_str().unwrap().contains("deleteInstances"), "{answer}");
    assert_eq!(outcome(second.call(Method::GET, "/instances")).await.0, 200, "nothing has happened");
    let removed = admin.call(Method::DELETE, &format!("{path}?deleteInstances=true")).send().await.unwrap();
    assert_eq!(removed.status(), 200);
    assert_eq!(broker.stats().await["revocations"], 3, "their grants end at the vendor");
    assert_eq!(outcome(second.call(Method::GET, "/instances")).await.0, 401);
    assert_eq!(outcome(admin.call(Method::GET, &path)).await.0, 404);
    admin.access_token(&mine["id"]).await;
}

#[tokio::test]
async fn an_admin_cannot_lock_the_last_door() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let me = ok(admin.call(Method::GET, "/users")).await[0]["id"].clone();
    for request in [
        admin.call(Method::DELETE, &format!("/users/{me}")),
        admin.call(Method::DELETE, &format!("/users/{me}/enabled")),
        admin.call(Method::PATCH, &format!("/users/{me}")).json(&json!({"admin": false})),
        admin.call(Method::PATCH, &format!("/users/{me}")).json(&json!({"disabled": true})),
    ] {
        assert_eq!(outcome(request).await.0, 409);
    }
    let renamed = admin
        .call(Method::PATCH, &format!("/users/{me}"))
        .json(&json!({"firstName": "<i>Ada</i>", "admin": true}));
    assert_eq!(ok(renamed).await["firstName"], "Ada");
}

#[tokio::test]
async fn return_urls_are_kept_exactly_and_dangerous_ones_refused() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    let path = format!("/users/{}/return-urls", make(admin, &plain("second@example.com")).await.0["id"]);
    let urls = json!({"returnUrls": ["https://app.example/done?x=%20", "http://127.0.0.1:3000/"]});
    assert_eq!(ok(admin.call(Method::PUT, &path).json(&urls)).await, urls);
    for url in [
        "//evil.example",
        "javascript:alert(1)",
        "http://app.example/",
        "https://user@app.example/",
        "https:\\\\app.example",
        "https://app.example/\tx",
        "https://app.example/\r\nx: y",
        "https://app.example/#fragment",
        "/relative",
        "",
    ] {
        let (status, answer) =
            outcome(admin.call(Method::PUT, &path).json(&json!({"returnUrls": [url]}))).await;
        assert_eq!(status, 400, "{url:?}: {answer}");
    }
    for body in [json!({}), json!({"returnUrls": "https://app.example/"}), json!({"returnUrls": [7]})] {
        assert_eq!(outcome(admin.call(Method::PUT, &path).json(&body)).await.0, 400, "{body}");
    }
    assert_eq!(ok(admin.call(Method::GET, &path)).await, urls, "nothing was changed");
}

#[tokio::test]
async fn what_is_wrong_with_a_user_is_said() {
    let broker = Broker::start(&[]).await;
    let admin = &broker.client;
    for (body, said) in [
        (json!({}), "Missing emailAddress"),
        (json!({"emailAddress": "nobody"}), "`emailAddress` must be"),
        (json!({"emailAddress": "a b@example.com"}), "`emailAddress` must be"),
        (json!({"emailAddress": ["a@example.com"]}), "`emailAddress` must be"),
        (json!({"emailAddress": "a@example.com", "admin": 1}), "`admin` must be"),
        (json!({"emailAddress": "a@example.com", "firstName": "x".repeat(300)}), "`firstName` must be"),
    ] {
        let (status, answer) = outcome(admin.call(Method::POST, "/users").json(&body)).await;
        assert!(status == 400 && answer["message"].as_str().unwrap().contains(said), "{body}: {answer}");
    }
    for id in ["99", "0", "-1", "01", "me", "1%2F2"] {
        let (status, answer) = outcome(admin.call(Method::GET, &format!("/users/{id}"))).await;
        assert_eq!(status, 404, "{id}: {answer}");
    }
}
