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
    let user = json!({"emailAddress": "second@example.com", "firstName": "Second", "lastName": "User"});
    let user = ok(first.call(Method::POST, "/users").json(&user)).await;
    let secret = user["userSecret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("vk_2_1_"), "it names its user: {secret}");
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
        "configuration": { "infusionsoft.server": "xx123.infusionsoft.com", "filter.response.nulls": "true" } }"#;
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
    assert_eq!(outcome(unknown).await.0, 404);
}

#[tokio::test]
async fn the_catalogue_lists_and_shows_elements_without_credentials() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let all = client.bare(Method::GET, "/elements").header("authorization", "junk").send().await.unwrap();
    let total = all.headers()["elements-total-count"].to_str().unwrap().to_owned();
    let all: Vec<Value> = all.json().await.unwrap();
    assert!(all.len() == total.parse::<usize>().unwrap() && all.len() >= 13, "five of Infusionsoft and more");
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
    assert_eq!(outcome(client.bare(Method::GET, "/elements?pageSize=x")).await.0, 400);
    let keys = ok(client.bare(Method::GET, "/elements/keys")).await;
    let listed: Vec<_> = all.iter().map(|element| element["key"].clone()).collect();
    assert_eq!(keys, json!(listed));
    let configuration = ok(client.bare(Method::GET, "/elements/191/configuration")).await;
    assert_eq!(configuration, crm["configuration"]);
    let metadata = ok(client.bare(Method::GET, "/elements/infusionsoftcrm/metadata")).await;
    assert_eq!(metadata["events"], json!({"supported": false, "methods": []}));
    assert_eq!((&metadata["id"], &metadata["key"]), (&json!(191), &json!("infusionsoftcrm")));
    for below in ["", "/configuration", "/metadata"] {
        let (status, answer) = outcome(client.bare(Method::GET, &format!("/elements/nothing{below}"))).await;
        assert_eq!((status, &answer["message"]), (404, &json!("No element found with key nothing")));
    }
}

#[tokio::test]
async fn every_field_of_the_platforms_shapes_is_there() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Whole").await;
    let element = [
        "id",
        "name",
        "hookName",
        "key",
        "description",
        "image",
        "active",
        "deleted",
        "typeOauth",
        "trialAccount",
        "bulkDownloadEnabled",
        "bulkUploadEnabled",
        "cloneable",
        "extendable",
        "beta",
        "authentication",
        "extended",
        "hub",
        "protocolType",
        "parameters",
    ];
    let instance = [
        "id",
        "name",
        "createdDate",
        "token",
        "element",
        "elementId",
        "tags",
        "provisionInteractions",
        "valid",
        "disabled",
        "maxCacheSize",
        "cacheTimeToLive",
        "configuration",
        "eventsEnabled",
        "traceLoggingEnabled",
        "cachingEnabled",
        "externalAuthentication",
        "user",
    ];
    let in_catalogue = [
        "configuration",
        "logo",
        "resources",
        "objects",
        "models",
        "transformationsEnabled",
        "hooks",
        "useModelsForMetadata",
        "private",
    ];
    let setting = [
        "id",
        "name",
        "key",
        "description",
        "resellerConfig",
        "companyConfig",
        "active",
        "internal",
        "groupControl",
        "displayOrder",
        "type",
        "hideFromConsole",
        "required",
    ];
    let shown = ok(client.bare(Method::GET, "/elements/infusionsoftcrm")).await;
    let has = |object: &Value, names: &[&str]| {
        for name in names {
            assert!(object.get(name).is_some(), "{name} is missing in {object}");
        }
    };
    has(&made, &instance);
    has(&made["element"], &element);
    has(&made["user"], &["id", "emailAddress", "firstName", "lastName"]);
    has(&shown, &element);
    has(&shown, &in_catalogue);
    has(&shown["configuration"][0], &setting);
    assert_eq!(made.as_object().unwrap().len(), instance.len(), "and no other: {made}");
    let refreshed = made["configuration"]["oauth.user.refresh_time"].as_str().unwrap();
    assert!(
        refreshed.len() == 13 && refreshed.bytes().all(|digit| digit.is_ascii_digit()),
        "milliseconds, as text"
    );
}

#[tokio::test]
async fn a_browsers_preflight_is_answered_for_every_path() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    for (path, methods) in [
        ("/instances", "GET"),
        ("/instances/1", "PATCH"),
        ("/elements/infusionsoftcrm/oauth/url", "POST"),
        ("/elements", "GET"),
        ("/users/1", "DELETE"),
    ] {
        let asked = client.bare(Method::OPTIONS, path).header("origin", "https://app.example");
        let asked = asked.header("access-control-request-method", methods);
        let answer =
            asked.header("access-control-request-headers", "authorization,x-mine").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-allow-headers"], "authorization,x-mine");
        assert!(headers["access-control-allow-methods"].to_str().unwrap().contains(methods), "{path}");
        assert!(headers.contains_key("elements-request-id"));
    }
    assert_eq!(client.bare(Method::OPTIONS, "/nothing").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_shape() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let json = |accept: &str| client.bare(Method::GET, "/elements").header("accept", accept);
    for accept in
        ["application/json", "*/*", "text/html, application/*;q=0.1", "", "application/json;charset=utf-8"]
    {
        assert_eq!(outcome(json(accept)).await.0, 200, "{accept}");
    }
    let (status, answer) = outcome(json("application/xml")).await;
    assert!(status == 406 && answer["message"].as_str().unwrap().contains("application/xml"), "{answer}");
    let form = client.call(Method::POST, "/instances").form(&[("a", "b")]);
    let (status, answer) = outcome(form).await;
    assert!(status == 415 && answer["requestId"].is_string(), "{answer}");
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));
    let (status, answer) = outcome(client.call(Method::POST, "/instances").body(long)).await;
    assert!(status == 413 && answer["message"].as_str().unwrap().contains("1048576"), "{answer}");
    let wrong = client.call(Method::PUT, "/instances/1/token").send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), wrong.headers()["allow"].to_str().unwrap()), (405, "POST"));
}

#[tokio::test]
async fn bodies_that_are_made_to_hurt_do_not() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let post = |body: String| outcome(client.call(Method::POST, "/instances").body(body));
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [
        nested.clone(),
        format!("{{\"configuration\":{nested}}}"),
        "{\"element\":{\"key\":\"a\"},\"element\":{\"key\":\"b\"}}".to_owned(),
        "{\"element\":1e999}".to_owned(),
        "{\"name\":\"\\ud800\"}".to_owned(),
        "\u{0}".to_owned(),
        "nul".to_owned(),
    ] {
        let (status, answer) = post(body.clone()).await;
        let shown: String = body.chars().take(60).collect();
        assert!(
            (400..=404).contains(&status) && answer["requestId"].is_string(),
            "{shown}: {status} {answer}"
        );
    }
    for key in ["..%2Fx", "%00", "\u{1F511}", &"k".repeat(10_000)] {
        let (status, answer) = outcome(client.bare(Method::GET, &format!("/elements/{key}"))).await;
        let short = answer["message"].as_str().is_some_and(|message| message.len() < 12_000);
        assert!(status == 404 && short, "{answer}");
    }
}

/// An API of the gateway gives functions the decoded path, the process for one machine reads it as it was sent.
#[tokio::test]
async fn a_path_is_percent_decoded_once() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    client.instance("infusionsoftcrm", "Encoded").await;
    for path in ["/elements/infusionsoft%63rm", "/instances/%31", "/elements/%69nfusionsoftcrm/instances/%31"]
    {
        ok(client.call(Method::GET, path)).await;
    }
    for (sent, meant) in [
        ("a%20b", "a b"),
        ("sch%C3%B6n", "sch\u{f6}n"),
        ("a+b", "a+b"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ("%252541", "%2541"),
    ] {
        let (status, answer) = outcome(client.call(Method::GET, &format!("/elements/{sent}"))).await;
        assert_eq!((status, &answer["message"]), (404, &json!(format!("No element found with key {meant}"))));
        let (status, answer) = outcome(client.call(Method::GET, &format!("/instances/{sent}"))).await;
        let expected = json!(format!("No element instance found with ID {meant}"));
        assert_eq!((status, &answer["message"]), (404, &expected));
    }
    // The gateway's decoded path does not tell an encoded slash from a slash.
    for path in ["/elements/a%2Fb", "/instances/1%2F2", "/instances/%2F1", "/elements/..%2Finstances"] {
        assert_eq!(outcome(client.call(Method::GET, path)).await.0, 404, "{path}");
    }
}
