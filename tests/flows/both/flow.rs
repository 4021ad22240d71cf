//! The main job: from the redirect URL to a living instance and its access token.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, API_SECRET, CALLBACK, Client, body, ok, outcome, parameter};
use tests::until;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_consent_becomes_an_instance_whose_access_token_the_vendor_takes() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let callback = client.decide(&client.oauth_url("infusionsoftcrm").await, "allow").await;
    assert!(callback.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&callback, "state").as_deref(), Some("my state"));
    assert_eq!(parameter(&callback, "scope").as_deref(), Some("full|xx123.infusionsoft.com"));
    let code = parameter(&callback, "code").unwrap();

    let instance = ok(client.create("infusionsoftcrm", &code, "API Instance")).await;
    assert_eq!(
        (&instance["id"], &instance["name"], &instance["tags"]),
        (&json!(1), &json!("API Instance"), &json!(["Docs"]))
    );
    assert_eq!(instance["element"]["key"], "infusionsoftcrm");
    assert_eq!((&instance["valid"], &instance["disabled"]), (&json!(true), &json!(false)));
    let token = instance["token"].as_str().unwrap();
    assert_eq!(token.len(), 44);

    let shown = ok(client.call(Method::GET, "/instances/1")).await;
    assert_eq!(shown, instance, "what was answered is what is shown");
    let access = ok(client.call(Method::GET, "/instances/1/access-token")).await;
    assert_eq!(
        (&access["token_type"], &access["scope"]),
        (&json!("bearer"), &json!("full|xx123.infusionsoft.com"))
    );
    assert!((86_390..=86_400).contains(&access["expires_in"].as_i64().unwrap()), "{access}");
    assert!(access.get("refresh_token").is_none());
    assert_eq!(client.userinfo(access["access_token"].as_str().unwrap()).await, 200);
    assert_eq!(client.userinfo("another").await, 401);

    let by_token = ok(client.call_as(token, Method::GET, "/instances/access-token")).await;
    assert_eq!(by_token["access_token"], access["access_token"]);
    let stats = broker.stats().await;
    assert_eq!(
        stats,
        json!({"codesIssued": 1, "exchanges": 1, "refreshes": 0, "reuses": 0, "revocations": 0, "apiCalls": 2})
    );
}

#[tokio::test]
async fn a_denied_consent_stores_nothing() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let callback = client.decide(&client.oauth_url("infusionsoftcrm").await, "deny").await;
    assert_eq!(parameter(&callback, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&callback, "state").as_deref(), Some("my state"));
    assert_eq!(parameter(&callback, "code"), None);

    let mut sent = body("infusionsoftcrm", "", "Denied");
    let query: serde_json::Map<String, Value> =
        callback.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
    sent["providerData"] = query.into();
    let (status, answer) = outcome(client.call(Method::POST, "/instances").json(&sent)).await;
    assert_eq!((status, &answer["providerMessage"]), (400, &json!("The user denied the request")));
    assert_eq!(outcome(client.call(Method::GET, "/instances")).await.0, 404);
    assert_eq!(broker.stats().await["codesIssued"], 0);
}

#[tokio::test]
async fn every_element_goes_the_whole_way_in_both_forms() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let keys = [
        "infusionsoftcrm",
        "infusionsoftmarketing",
        "infusionsoftecommerce",
        "infusionsoftrest",
        "infusionsofterp",
    ];
    for key in keys {
        let id = client.instance(key, key).await["id"].clone();
        assert_eq!(client.userinfo(&client.access_token(&id).await).await, 200);
        let mut sent = body(key, &client.code(key).await, key);
        sent.as_object_mut().unwrap().remove("element");
        let made = ok(client.call(Method::POST, &format!("/elements/{key}/instances")).json(&sent)).await;
        assert_eq!(made["element"]["key"], key);
    }
    assert_eq!(ok(client.call(Method::GET, "/instances")).await.as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_deleted_instance_is_gone_here_and_revoked_at_the_vendor() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let instance = client.instance("infusionsoftcrm", "Short-lived").await;
    let access = client.access_token(&instance["id"]).await;
    let deleted = client.call(Method::DELETE, "/instances/1").send().await.unwrap();
    assert_eq!((deleted.status().as_u16(), deleted.text().await.unwrap().as_str()), (200, ""));
    assert_eq!(client.userinfo(&access).await, 401);
    assert_eq!(broker.stats().await["revocations"], 1);
    for path in ["/instances/1", "/instances/1/access-token", "/instances"] {
        assert_eq!(outcome(client.call(Method::GET, path)).await.0, 404, "{path}");
    }
    assert_eq!(outcome(client.call(Method::DELETE, "/instances/1")).await.0, 404);
    let token = instance["token"].as_str().unwrap();
    assert_eq!(outcome(client.call_as(token, Method::GET, "/instances/access-token")).await.0, 401);
    assert_eq!(client.instance("infusionsoftcrm", "Next").await["id"], 2, "an id is never given again");
}

/// Asks for the token of an instance twenty times at once.
async fn twenty_callers(client: &Client, instance: &Value) -> Vec<(u16, Value)> {
    let path = format!("/instances/{}/access-token", instance["id"]);
    let calls = (0..20).map(|_| outcome(client.call(Method::GET, &path)));
    futures_util::future::join_all(calls).await
}

#[tokio::test]
async fn a_token_that_has_expired_is_refreshed_once_for_all_who_ask() {
    let broker = Broker::start(&["--sandbox-grace", "0"]).await;
    let instance = broker.client.instance("infusionsoftcrm", "Stale").await;
    let before = broker.client.access_token(&instance["id"]).await;
    broker.access_lives(1, -86_400, -1).await;
    let answers = twenty_callers(&broker.client, &instance).await;
    let token = &answers[0].1["access_token"];
    assert!(token.is_string() && *token != before, "{answers:?}");
    for (status, answer) in &answers {
        assert_eq!((*status, &answer["access_token"]), (200, token), "{answer}");
    }
    assert_eq!(broker.stats().await["refreshes"], 1);
}

/// Every token has expired when it comes, so callers refresh one after another. The sandbox rotates refresh tokens
/// and ends the grant when an old one is used.
#[tokio::test]
async fn callers_who_refresh_one_after_another_use_no_refresh_token_twice() {
    let broker = Broker::start(&["--sandbox-access-lifetime", "0", "--sandbox-grace", "0"]).await;
    let instance = broker.client.instance("infusionsoftcrm", "Stale").await;
    for (status, answer) in twenty_callers(&broker.client, &instance).await {
        assert_eq!(status, 200, "{answer}");
    }
    let shown = ok(broker.client.call(Method::GET, &format!("/instances/{}", instance["id"]))).await;
    let stats = broker.stats().await;
    assert_eq!((&shown["valid"], &stats["reuses"]), (&json!(true), &json!(0)), "{stats}");
    assert!(stats["refreshes"].as_u64().unwrap() >= 1, "{stats}");
}

#[tokio::test]
async fn minimum_seconds_has_a_token_refreshed_earlier_up_to_half_its_life() {
    let broker = Broker::start(&[]).await;
    let made = broker.client.instance("infusionsoftcrm", "Long").await;
    let path = format!("/instances/{}/access-token", made["id"]);
    let asked = async |query: &str| {
        ok(broker.client.call(Method::GET, &format!("{path}{query}"))).await;
        broker.stats().await["refreshes"].clone()
    };
    // It lives 10,000 s, of which half are not over: it is as good as any.
    broker.access_lives(1, -4_000, 6_000).await;
    assert_eq!(asked("?minimumSeconds=1000000").await, 0);
    broker.access_lives(1, -7_000, 3_000).await;
    for query in ["", "?minimumSeconds=2000"] {
        assert_eq!(asked(query).await, 0, "{query}: 3,000 s are left");
    }
    assert_eq!(asked("?minimumSeconds=4000").await, 1);
    for wrong in ["soon", "-1", "1.5"] {
        let odd = broker.client.call(Method::GET, &format!("{path}?minimumSeconds={wrong}"));
        assert_eq!(outcome(odd).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn re_authentication_without_a_code_refreshes_the_grant() {
    let broker = Broker::start(&["--sandbox-grace", "0"]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Renewed").await;
    let before = client.access_token(&made["id"]).await;
    let path = format!("/instances/{}?reAuthenticate=true", made["id"]);
    let renewed = ok(client.call(Method::PUT, &path).json(&made)).await;
    assert_eq!((&renewed["id"], &renewed["token"]), (&made["id"], &made["token"]));
    let after = client.access_token(&made["id"]).await;
    assert_ne!(before, after);
    assert_eq!((client.userinfo(&after).await, broker.stats().await["refreshes"].clone()), (200, 1.into()));
}

#[tokio::test]
async fn a_code_that_the_vendor_refuses_makes_nothing_and_tells_the_vendors_words() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    client.instance("infusionsoftcrm", "First").await;
    for code in ["made-up", "made-up", "another"] {
        let (status, answer) = outcome(client.create("infusionsoftcrm", code, "Second")).await;
        assert_eq!(
            (status, &answer["providerMessage"]),
            (400, &json!("Authorization code is invalid")),
            "{answer}"
        );
    }
    let mut other = body("infusionsoftcrm", &client.code("infusionsoftcrm").await, "Elsewhere");
    other["configuration"]["oauth.callback.url"] = json!("https://elsewhere.example/");
    assert_eq!(outcome(client.call(Method::POST, "/instances").json(&other)).await.0, 400);
    let mut wrong = body("infusionsoftcrm", &client.code("infusionsoftcrm").await, "Wrong secret");
    wrong["configuration"]["oauth.api.secret"] = json!("wrong secret");
    let (status, answer) = outcome(client.call(Method::POST, "/instances").json(&wrong)).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("oauth.api.secret"), "{answer}");
    assert_eq!(ok(client.call(Method::GET, "/instances")).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn instances_are_listed_in_pages_and_found_by_tag_and_name() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    for n in 1..=7 {
        let mut sent =
            body("infusionsoftcrm", &client.code("infusionsoftcrm").await, &format!("Customer {n}"));
        sent["tags"] = if n % 2 == 0 { json!(["even", "all"]) } else { json!(["odd", "all"]) };
        ok(client.call(Method::POST, "/instances").json(&sent)).await;
    }
    let (mut ids, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = next.as_ref().map(|next| format!("&nextPage={next}")).unwrap_or_default();
        let response =
            client.call(Method::GET, &format!("/instances?pageSize=3{page}")).send().await.unwrap();
        next =
            response.headers().get("elements-next-page-token").map(|next| next.to_str().unwrap().to_owned());
        let found: Vec<Value> = response.json().await.unwrap();
        ids.extend(found.iter().map(|instance| instance["id"].as_u64().unwrap()));
        if next.is_none() {
            break;
        }
    }
    assert_eq!(ids, (1..=7).collect::<Vec<_>>());
    for (query, expected) in [
        ("tags[]=even", vec![2, 4, 6]),
        ("tags[0]=odd&tags[1]=all", vec![1, 3, 5, 7]),
        ("tags%5B%5D=even&searchText=customer%206", vec![6]),
        ("searchText=CUSTOMER&unknown=1", vec![1, 2, 3, 4, 5, 6, 7]),
    ] {
        let found = ok(client.call(Method::GET, &format!("/instances?{query}"))).await;
        let found: Vec<_> = found.as_array().unwrap().iter().map(|i| i["id"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    assert_eq!(outcome(client.call(Method::GET, "/instances?tags[]=neither")).await.0, 404);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_the_exchange() {
    let broker = Broker::start(&["--sandbox-latency", "300"]).await;
    let client = &broker.client;
    let sent = body("infusionsoftcrm", &client.code("infusionsoftcrm").await, "Hung up").to_string();
    let request = format!(
        "POST /elements/api-v2/instances HTTP/1.1\r\nhost: x\r\nauthorization: User {}, Organization {}\r\n\
         content-length: {}\r\n\r\n{sent}",
        client.user,
        client.organization,
        sent.len()
    );
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", client.port())).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    // The vendor has exchanged the code and is slow to say so; now the client goes away.
    until(async || broker.stats().await["exchanges"] == 1).await;
    drop(stream);
    until(async || outcome(client.call(Method::GET, "/instances")).await.0 == 200).await;
    assert_eq!(ok(client.call(Method::GET, "/instances/1")).await["name"], "Hung up");
    let kept = client.access_token(&json!(1)).await;
    assert_eq!(client.userinfo(&kept).await, 200);
}

#[tokio::test]
async fn what_one_process_made_the_next_one_has() {
    let mut broker = Broker::start(&[]).await;
    let before = broker.client.instance("infusionsoftcrm", "Lasting").await;
    let access = broker.client.access_token(&before["id"]).await;
    broker.terminate();
    assert!(broker.end().await.0.success());
    broker.restart().await;
    assert_eq!(ok(broker.client.call(Method::GET, "/instances/1")).await, before);
    assert_eq!(broker.client.access_token(&before["id"]).await, access);
    assert_eq!(broker.client.userinfo(&access).await, 200);
}

#[tokio::test]
async fn a_post_of_the_redirect_urls_fields_gives_the_same_url() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let sent =
        json!({"apiKey": API_KEY, "apiSecret": API_SECRET, "callbackUrl": CALLBACK, "state": "my state"});
    let posted = ok(client.bare(Method::POST, "/elements/191/oauth/url").json(&sent)).await;
    assert_eq!(posted["oauthUrl"], client.oauth_url("infusionsoftcrm").await);
    assert_eq!(posted["element"], "infusionsoftcrm");
}

#[tokio::test]
async fn a_grant_that_nobody_asks_for_is_kept_alive() {
    let broker = Broker::start(&["--sweep-every", "1"]).await;
    let made = broker.client.instance("infusionsoftcrm", "Unused").await;
    broker.is_due(made["id"].as_u64().unwrap()).await;
    assert!(broker.sweep().await);
    until(async || broker.stats().await["refreshes"] == 1).await;
    let shown = ok(broker.client.call(Method::GET, "/instances/1")).await;
    assert_eq!(shown["valid"], true);
    broker.client.access_token(&made["id"]).await;
    assert_eq!(broker.stats().await["refreshes"], 1);
}
