//! Statuses, headers and bodies of the routes that there are, as clients know them from the platform.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{CALLBACK, body, ok, outcome};

const UNAUTHORIZED: &str = "Invalid Organization or User secret, or invalid Element token provided.";
const NO_CODE: &str = "You must provide an OAuth code in order to create an instance of this element";

#[tokio::test]
async fn credentials_are_read_sloppily_and_checked_strictly() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Mine").await;
    let (user, organization, token) = (&client.user, &client.organization, made["token"].as_str().unwrap());
    let get = |path: &str, header: &str| {
        let request = client.bare(Method::GET, path).header("authorization", header);
        async move { outcome(request).await }
    };
    for header in [
        format!("User {user}, Organization {organization}"),
        format!("Organization {organization},User {user}"),
        format!("  user   {user} ,organization {organization}, Element junk"),
        format!("User {user}, Element {token}"),
        format!("Element {token}, User {user}, Organization {organization}"),
    ] {
        assert_eq!(get("/instances", &header).await.0, 200, "{header}");
        assert_eq!(get("/instances/1", &header).await.0, 200, "{header}");
    }
    let mut forged = token.to_owned();
    forged.replace_range(20..21, if &token[20..21] == "A" { "B" } else { "A" });
    for header in [
        String::new(),
        format!("User {user}"),
        format!("Organization {organization}"),
        format!("User {organization}, Organization {user}"),
        format!("User {user}, Organization wrong"),
        format!("User wrong, Organization {organization}"),
        format!("User {user}, Organization wrong, Element {token}"),
        format!("User {user}, User {user}, Organization {organization}"),
        format!("User {user}, Element {forged}"),
        format!("User {user}, Element junk"),
        format!("Element {token}"),
        format!("Bearer {user}"),
        "Basic dTpw".to_owned(),
    ] {
        for path in ["/instances", "/instances/1", "/instances/1/access-token", "/instances/access-token"] {
            let (status, answer) = get(path, &header).await;
            assert_eq!((status, &answer["message"]), (401, &json!(UNAUTHORIZED)), "{path} {header}");
        }
    }
    let only_platform = format!("User {user}, Organization {organization}");
    assert_eq!(get("/instances/access-token", &only_platform).await.0, 401, "it names no instance");
}

#[tokio::test]
async fn an_element_token_opens_its_own_instance_alone() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let first = client.instance("infusionsoftcrm", "First").await;
    client.instance("infusionsoftcrm", "Second").await;
    let token = first["token"].as_str().unwrap();
    assert_eq!(outcome(client.call_as(token, Method::GET, "/instances/1")).await.0, 200);
    assert_eq!(outcome(client.call_as(token, Method::GET, "/instances/2")).await.0, 404);
    assert_eq!(outcome(client.call_as(token, Method::DELETE, "/instances/2")).await.0, 404);
    let post = client.call_as(token, Method::POST, "/instances").json(&body("infusionsoftcrm", "c", "n"));
    assert_eq!(outcome(post).await.0, 401, "making an instance takes the organization's secret");
}

#[tokio::test]
async fn another_users_instance_looks_like_one_that_does_not_exist() {
    let broker = Broker::start(&[]).await;
    let first = &broker.client;
    let made = first.instance("infusionsoftcrm", "Not yours").await;
    // Until there is a request that makes users, the second one is put into the registry.
    let secret = "second-user-secret".to_owned();
    let user = valetkey::user::User {
        id: 2,
        email_address: "second@example.com".into(),
        first_name: "Second".into(),
        last_name: "User".into(),
        admin: false,
        organization: valetkey::keys::fingerprint(&first.organization),
        ..valetkey::user::User::default()
    };
    valetkey::user::add(&*broker.registry(), &user, &secret.clone().into()).await.unwrap();
    let second = tests::client::Client { user: secret, ..first.clone() };
    for (method, path) in [
        (Method::GET, "/instances/1"),
        (Method::GET, "/instances/1/access-token"),
        (Method::DELETE, "/instances/1"),
    ] {
        let (status, answer) = outcome(second.call(method, path)).await;
        assert_eq!(
            (status, &answer["message"]),
            (404, &json!("No element instance found with ID 1")),
            "{path}"
        );
    }
    assert_eq!(outcome(second.call(Method::GET, "/instances")).await.0, 404);
    let token = made["token"].as_str().unwrap();
    for path in ["/instances/access-token", "/instances/1", "/instances"] {
        assert_eq!(outcome(second.call_as(token, Method::GET, path)).await.0, 401, "{path}");
    }
    let own = second.instance("infusionsoftcrm", "Mine").await;
    assert_eq!((&own["id"], &own["user"]["id"]), (&json!(2), &json!(2)));
    assert_eq!(outcome(first.call(Method::GET, "/instances/2")).await.0, 404);
    assert_eq!(ok(first.call(Method::GET, "/instances/1")).await, made);
}

#[tokio::test]
async fn what_is_missing_or_unknown_is_named() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let post = |path: &'static str, sent: Value| {
        let request = client.call(Method::POST, path).json(&sent);
        async move { outcome(request).await }
    };
    let without = |field: &str| {
        let mut sent = body("infusionsoftcrm", "c", "n");
        sent.as_object_mut().unwrap().remove(field);
        sent
    };
    let (status, answer) = post("/instances", without("providerData")).await;
    assert_eq!((status, &answer["message"]), (400, &json!(NO_CODE)));
    let (status, answer) = post("/instances", without("configuration")).await;
    let all = "Missing configuration: oauth.api.key, oauth.api.secret, oauth.callback.url";
    assert_eq!((status, &answer["message"]), (400, &json!(all)));
    let (status, answer) = post("/instances", without("element")).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("element.key"), "{answer}");
    let mut unknown = body("nothing", "c", "n");
    let (status, answer) = post("/instances", unknown.clone()).await;
    assert_eq!((status, &answer["message"]), (404, &json!("No element found with key nothing")));
    unknown["element"] = json!({"id": 404});
    assert_eq!(post("/instances", unknown).await.1["message"], "No element found with key 404");
    assert_eq!(post("/elements/nothing/instances", without("element")).await.0, 404);
    let (status, answer) = outcome(client.call(Method::GET, "/instances/7")).await;
    assert_eq!((status, &answer["message"]), (404, &json!("No element instance found with ID 7")));
    for odd in ["x", "-1", "1.5", "99999999999999999999", "+7", "07", "%00", "%F0%9F%94%91"] {
        assert_eq!(outcome(client.call(Method::GET, &format!("/instances/{odd}"))).await.0, 404, "{odd}");
    }
    let (status, answer) = outcome(client.call(Method::GET, "/instances")).await;
    assert_eq!((status, &answer["message"]), (404, &json!("No element instances found")));
}

#[tokio::test]
async fn the_documents_curls_get_an_answer_of_the_contract() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let crm = r#"{
      "element": { "key": "infusionsoftcrm" },
      "providerData": { "code": "xxxxxxxxxxxxxxxxxxxxxxx" },
      "configuration": {
        "oauth.callback.url": "https;//mycoolapp.com",
        "oauth.api.key": "xxxxxxxxxxxxxxxxxx",
        "oauth.api.secret": "xxxxxxxxxxxxxxxxxxxxxxxx",
        "infusionsoft.server": "dt123.infusionsoft.com",
        "infusionsoft.private.key": "47dxxxxxxxxxxxxxxxxxxxx"
      },
      "tags": [ "Docs" ],
      "name": "API Instance"
    }"#;
    let request = client.call(Method::POST, "/instances").header("content-type", "application/json");
    let (status, answer) = outcome(request.body(crm)).await;
    assert_eq!(
        (status, &answer["providerMessage"]),
        (400, &json!("Authorization code is invalid")),
        "{answer}"
    );
    let erp = r#"{ "providerData": { "code": "" },
        "configuration": { "infusionsoft.server": "XXXXX.infusionsoft.com", "filter.response.nulls": "true" } }"#;
    let (status, answer) = outcome(client.call(Method::POST, "/instances").body(erp)).await;
    let message = answer["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("element.key") && message.contains(NO_CODE), "{message}");
}

#[tokio::test]
async fn sloppy_clients_are_served_and_hopeless_bodies_refused_in_shape() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let code = client.code("infusionsoftcrm").await;
    let sent = body("infusionsoftcrm", &code, "Sloppy").to_string();
    let request = client.call(Method::POST, "/instances?unknown=1");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(sent);
    assert_eq!(outcome(request).await.0, 200, "curl -d says it is a form");
    let request = client.call(Method::GET, "/instances/1").body("{}");
    assert_eq!(outcome(request).await.0, 200, "a GET may carry {{}}");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024 * 1024));
    for (kind, sent, expected) in [
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "\u{0}", 400),
        ("application/json", deep.as_str(), 400),
        ("text/xml", "<instance/>", 415),
        ("application/json", large.as_str(), 413),
    ] {
        let request =
            client.call(Method::POST, "/instances").header("content-type", kind).body(sent.to_owned());
        let (status, answer) = outcome(request).await;
        assert_eq!(status, expected, "{kind}");
        assert!(answer["message"].is_string() && answer["requestId"].is_string(), "{answer}");
    }
    let twice = body("infusionsoftcrm", &client.code("infusionsoftcrm").await, "Second").to_string();
    let twice = twice.replacen('{', r#"{"name":"First","#, 1);
    let (status, answer) = outcome(client.call(Method::POST, "/instances").body(twice)).await;
    assert_eq!((status, &answer["name"]), (200, &json!("Second")), "the last of two equal keys counts");
}

#[tokio::test]
async fn every_answer_names_its_request_and_lets_pages_read_the_headers() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    for (method, path, status) in [
        (Method::GET, "/elements", 200),
        (Method::GET, "/nothing", 404),
        (Method::PATCH, "/elements", 405),
        (Method::GET, "/instances", 401),
    ] {
        let response = client.bare(method, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers().clone();
        assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("Elements-Request-Id"));
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers.get("allow").is_some(), status == 405);
        let named = headers["elements-request-id"].to_str().unwrap().to_owned();
        let answer: Value = response.json().await.unwrap();
        assert!(status == 200 || answer["requestId"] == named, "{answer}");
    }
    let outside = client.root("/").await;
    assert_eq!(outside.status(), 404);
    assert!(outside.json::<Value>().await.unwrap()["message"].is_string());
}

#[tokio::test]
async fn a_redirect_url_needs_a_key_and_a_sound_callback() {
    let broker = Broker::start(&[]).await;
    let get = |query: &str| {
        let request =
            broker.client.bare(Method::GET, &format!("/elements/infusionsoftcrm/oauth/url?{query}"));
        async move { outcome(request).await }
    };
    let (status, answer) = get(&format!("callbackUrl={CALLBACK}")).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("apiKey"), "{answer}");
    for query in ["apiKey=k", "apiKey=k&callbackUrl="] {
        let (status, answer) = get(query).await;
        assert!(status == 400 && answer["message"].as_str().unwrap().contains("callbackUrl"), "{answer}");
    }
    for url in ["javascript:alert(1)", "//evil", "http://app.example/", "https://app.example/%23x#y", "/cb"] {
        let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        assert_eq!(get(&format!("apiKey=k&callbackUrl={url}")).await.0, 400, "{url}");
    }
    let (_, answer) = get(&format!("apiKey=k&callbackUrl={CALLBACK}")).await;
    let oauth_url = url::Url::parse(answer["oauthUrl"].as_str().unwrap()).unwrap();
    assert_eq!(tests::client::parameter(&oauth_url, "state").as_deref(), Some("infusionsoftcrm"));
    let (_, answer) =
        get(&format!("apiKey=k&callbackUrl={CALLBACK}&scope=a%20b&state=%26%3D%2B%C3%A9")).await;
    let oauth_url = url::Url::parse(answer["oauthUrl"].as_str().unwrap()).unwrap();
    assert_eq!(tests::client::parameter(&oauth_url, "scope").as_deref(), Some("a b"));
    assert_eq!(tests::client::parameter(&oauth_url, "state").as_deref(), Some("&=+é"));
    let unknown = broker.client.bare(Method::GET, "/elements/..%2fx/oauth/url?apiKey=k");
    assert_eq!(outcome(unknown).await.1["message"], "No element found with key ../x");
}

#[tokio::test]
async fn the_catalogue_lists_and_shows_elements_without_credentials() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let all = client.bare(Method::GET, "/elements").header("authorization", "junk").send().await.unwrap();
    assert_eq!(all.headers()["elements-total-count"], "5");
    let all: Vec<Value> = all.json().await.unwrap();
    let first = client.bare(Method::GET, "/elements?pageSize=2").send().await.unwrap();
    let next = first.headers()["elements-next-page-token"].to_str().unwrap().to_owned();
    let first: Vec<Value> = first.json().await.unwrap();
    let rest = ok(client.bare(Method::GET, &format!("/elements?nextPage={next}"))).await;
    assert_eq!([first, rest.as_array().unwrap().clone()].concat(), all);
    let erp = ok(client.bare(Method::GET, "/elements?searchText=ERP")).await;
    assert_eq!(erp.as_array().unwrap().len(), 1);
    let crm = ok(client.bare(Method::GET, "/elements/191")).await;
    assert_eq!(crm, ok(client.bare(Method::GET, "/elements/infusionsoftcrm")).await);
    assert_eq!(
        (&crm["key"], &crm["hub"], &crm["authentication"]["type"]),
        (&json!("infusionsoftcrm"), &json!("crm"), &json!("oauth2"))
    );
    let required = |setting: &&Value| setting["required"] == true;
    let keys: Vec<_> =
        crm["configuration"].as_array().unwrap().iter().filter(required).map(|s| &s["key"]).collect();
    assert_eq!(keys, ["oauth.api.key", "oauth.api.secret", "oauth.callback.url"]);
    assert_eq!(outcome(client.bare(Method::GET, "/elements/nothing")).await.0, 404);
    assert_eq!(outcome(client.bare(Method::GET, "/elements?pageSize=x")).await.0, 400);
}
