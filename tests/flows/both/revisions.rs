//! What can be done to an instance once it is there: changed, authenticated again, switched off and on,
//! given another token, looked at entry by entry; by its id, below its element, and by its own token.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, API_SECRET, CALLBACK, Client, ok, outcome};

const MASK: &str = "********";

/// The ways to say which instance is meant: requests to a path below the instance.
fn ways(client: &Client, instance: &Value, method: &Method, below: &str) -> [RequestBuilder; 4] {
    let (id, token) = (&instance["id"], instance["token"].as_str().unwrap());
    let by_token = client.call_as(token, method.clone(), &format!("/instances{below}"));
    [
        client.call(method.clone(), &format!("/instances/{id}{below}")),
        client.call(method.clone(), &format!("/elements/infusionsoftcrm/instances/{id}{below}")),
        client.call(method.clone(), &format!("/elements/191/instances/{id}{below}")),
        by_token,
    ]
}

async fn access(client: &Client, instance: &Value) -> (u16, Value) {
    outcome(client.call(Method::GET, &format!("/instances/{}/access-token", instance["id"]))).await
}

#[tokio::test]
async fn an_instance_that_is_put_back_as_it_was_got_keeps_every_secret() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Round trip").await;
    let before = access(client, &made).await.1;
    for method in [Method::PUT, Method::PATCH] {
        for request in ways(client, &made, &method, "") {
            let got = ok(client.call(Method::GET, &format!("/instances/{}", made["id"]))).await;
            assert_eq!(got["configuration"]["oauth.api.secret"], MASK);
            assert_eq!(ok(request.json(&got)).await, got, "{method}");
        }
    }
    assert_eq!(access(client, &made).await.1["access_token"], before["access_token"]);
    // The kept secret still opens the vendor's door: a new code is exchanged with it.
    let code = client.code("infusionsoftcrm").await;
    let path = format!("/instances/{}", made["id"]);
    let again = ok(client.call(Method::PUT, &path).json(&json!({"providerData": {"code": code}}))).await;
    assert_eq!(
        (&again["id"], &again["token"]),
        (&made["id"], &made["token"]),
        "re-authentication keeps both"
    );
    assert_ne!(access(client, &made).await.1["access_token"], before["access_token"]);
}

#[tokio::test]
async fn names_tags_and_configuration_change_in_whole_or_in_part() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let path = format!("/instances/{}", client.instance("infusionsoftcrm", "Before").await["id"]);
    let change = |method: Method, body: Value| ok(client.call(method, &path).json(&body));

    let renamed = change(Method::PATCH, json!({"name": "<b>After</b>", "unknown": 1})).await;
    assert_eq!((&renamed["name"], &renamed["tags"]), (&json!("After"), &json!(["Docs"])));
    assert_eq!(change(Method::PATCH, json!({"tags": ["x", "y"]})).await["tags"], json!(["x", "y"]));
    assert_eq!(change(Method::PUT, json!({"tags": []})).await["tags"], json!([]), "an empty list clears");
    assert_eq!(change(Method::PATCH, json!({})).await["name"], "After", "nothing asked, nothing changed");

    let more =
        json!({"configuration": {"mine": "1", "infusionsoft.server": "https://DT7.infusionsoft.com/"}});
    let changed = change(Method::PATCH, more).await;
    assert_eq!(changed["configuration"]["mine"], "1");
    assert_eq!(changed["configuration"]["infusionsoft.server"], "dt7.infusionsoft.com");
    assert_eq!(changed["configuration"]["infusionsoft.private.key"], MASK);
    let cleared = change(Method::PATCH, json!({"configuration": {"mine": null}})).await;
    assert_eq!(cleared["configuration"]["mine"], Value::Null);

    let whole = change(Method::PUT, json!({"configuration": {"other": "2"}})).await;
    let configuration = &whole["configuration"];
    assert_eq!((&configuration["other"], configuration.get("mine")), (&json!("2"), None), "{configuration}");
    assert_eq!(configuration.get("infusionsoft.private.key"), None, "a secret that is left out goes");
    assert_eq!(configuration["oauth.api.secret"], MASK, "what it cannot be without stays");
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_and_changes_nothing() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Same").await;
    let path = format!("/instances/{}", made["id"]);
    for (body, said) in [
        (json!({"configuration": {"oauth.api.secret": null}}), "Missing configuration: oauth.api.secret"),
        (json!({"configuration": {"oauth.callback.url": " "}}), "Missing configuration: oauth.callback.url"),
        (json!({"configuration": {"infusionsoft.server": "evil.com"}}), "infusionsoft.server must be a host"),
        (json!({"configuration": []}), "`configuration` must be an object"),
        (json!({"tags": 7}), "`tags` must be"),
        (json!({"name": "x".repeat(300)}), "`name` must be at most"),
        (json!({"providerData": {"error": "access_denied", "code": "c"}}), "The vendor refused"),
        (json!({"providerData": {"code": "used-or-made-up"}}), "The vendor refused"),
    ] {
        for method in [Method::PUT, Method::PATCH] {
            let request = client.call(method.clone(), &path).json(&body);
            let (status, answer) = outcome(request).await;
            assert_eq!(status, 400, "{method} {body}");
            assert!(answer["message"].as_str().unwrap().contains(said), "{body}: {answer}");
        }
    }
    assert_eq!(ok(client.call(Method::GET, &path)).await, made);
    assert_eq!(access(client, &made).await.0, 200);
}

#[tokio::test]
async fn a_changed_secret_is_the_one_that_the_vendor_gets() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Rekeyed").await;
    let path = format!("/instances/{}", made["id"]);
    // The sandbox refuses secrets that begin so.
    let wrong = json!({"configuration": {"oauth.api.secret": "wrong-secret"}});
    ok(client.call(Method::PATCH, &path).json(&wrong)).await;
    assert_eq!(access(client, &made).await.0, 200, "the grant stays");
    let reauthenticate = async || {
        let body = json!({"providerData": {"code": client.code("infusionsoftcrm").await}});
        outcome(client.call(Method::PATCH, &path).json(&body)).await
    };
    let (status, answer) = reauthenticate().await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("oauth.api.secret"), "{answer}");
    assert_eq!(access(client, &made).await.0, 200, "a refused consent takes nothing away");
    let right = json!({"configuration": {"oauth.api.secret": API_SECRET, "oauth.api.key": API_KEY}});
    ok(client.call(Method::PATCH, &path).json(&right)).await;
    assert_eq!(reauthenticate().await.0, 200);
}

#[tokio::test]
async fn a_disabled_instance_gives_no_token_until_it_is_enabled() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Switched").await;
    let off = ways(client, &made, &Method::DELETE, "/enabled");
    let on = ways(client, &made, &Method::PUT, "/enabled");
    for (off, on) in off.into_iter().zip(on) {
        let answer = off.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, ""));
        let (status, answer) = access(client, &made).await;
        assert!(status == 403 && answer["message"].as_str().unwrap().contains("enabled"), "{answer}");
        let shown = ok(client.call(Method::GET, &format!("/instances/{}", made["id"]))).await;
        assert_eq!(shown["disabled"], true, "it is still there");
        assert_eq!(on.send().await.unwrap().status(), 200);
        assert_eq!(access(client, &made).await.0, 200);
    }
}

#[tokio::test]
async fn a_leaked_token_is_replaced_and_dead() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Leaky").await;
    let renewed = ok(client.call(Method::POST, &format!("/instances/{}/token", made["id"]))).await;
    let (old, new) = (made["token"].as_str().unwrap(), renewed["token"].as_str().unwrap());
    assert!(old != new && new.len() == 44);
    let status = async |token| outcome(client.call_as(token, Method::GET, "/instances/access-token")).await.0;
    assert_eq!((status(old).await, status(new).await), (401, 200));
    let by_token = ok(client.call_as(new, Method::POST, "/instances/token")).await;
    assert_ne!(by_token["token"], renewed["token"], "whoever holds it may replace it");
}

#[tokio::test]
async fn the_configuration_is_shown_and_changed_entry_by_entry() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Entries").await;
    for request in ways(client, &made, &Method::GET, "/configuration") {
        let entries = ok(request).await;
        let entry = |key: &str| entries.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap();
        let secret = entry("oauth.api.secret");
        for (member, value) in [
            ("id", json!(191_002)),
            ("propertyValue", json!(MASK)),
            ("type", json!("PASSWORD")),
            ("required", json!(true)),
            ("active", json!(true)),
            ("hideFromConsole", json!(false)),
        ] {
            assert_eq!(secret[member], value, "{member}");
        }
        assert!(secret["name"].is_string() && secret["description"].is_string());
        assert_eq!(entry("oauth.callback.url")["propertyValue"], CALLBACK);
        assert_eq!(entry("infusionsoft.server")["propertyValue"], Value::Null);
    }
    for named in ["191501", "infusionsoft.server"] {
        for (get, patch) in ways(client, &made, &Method::GET, &format!("/configuration/{named}"))
            .into_iter()
            .zip(ways(client, &made, &Method::PATCH, &format!("/configuration/{named}")))
        {
            assert_eq!(ok(get).await["key"], "infusionsoft.server");
            let changed = ok(patch.json(&json!({"propertyValue": "dt9"}))).await;
            assert_eq!(changed["propertyValue"], "dt9.infusionsoft.com");
        }
    }
    let path = format!("/instances/{}/configuration", made["id"]);
    for (below, body, status) in [
        ("/191002", json!({"propertyValue": MASK}), 200),
        ("/191501", json!({"propertyValue": "evil.com"}), 400),
        ("/191501", json!({}), 400),
        ("/191501", json!({"propertyValue": {}}), 400),
        ("/191002", json!({"propertyValue": null}), 400),
        ("/1", json!({"propertyValue": "x"}), 404),
        ("/nothing", json!({"propertyValue": "x"}), 404),
    ] {
        let request = client.call(Method::PATCH, &format!("{path}{below}")).json(&body);
        assert_eq!(outcome(request).await.0, status, "{below} {body}");
    }
    assert_eq!(access(client, &made).await.0, 200);
}

#[tokio::test]
async fn instances_are_counted_and_listed_by_element() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    assert_eq!(
        ok(client.call(Method::GET, "/instances/count")).await,
        json!({"totalInstances": 0, "elementInstances": []})
    );
    for element in ["infusionsoftcrm", "infusionsoftcrm", "infusionsoftrest"] {
        client.instance(element, "Counted").await;
    }
    let counted = ok(client.call(Method::GET, "/instances/count")).await;
    assert_eq!(counted["totalInstances"], 3);
    let crm = &counted["elementInstances"][0];
    assert_eq!(
        (&crm["elementKey"], &crm["elementId"], &crm["totalInstances"]),
        (&json!("infusionsoftcrm"), &json!(191), &json!(2))
    );
    let rest = ok(client.call(Method::GET, "/elements/6158/instances")).await;
    assert_eq!((rest.as_array().unwrap().len(), &rest[0]["elementId"]), (1, &json!(6158)));
    let (status, none) = outcome(client.call(Method::GET, "/elements/infusionsofterp/instances")).await;
    assert_eq!((status, &none["message"]), (404, &json!("No element instances found")));
    for path in [
        "/elements/infusionsoftcrm/instances/3",
        "/elements/nothing/instances/3",
        "/elements/nothing/instances",
    ] {
        assert_eq!(outcome(client.call(Method::GET, path)).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn two_changes_at_once_leave_one_whole_state() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Raced").await;
    let path = format!("/instances/{}", made["id"]);
    let changes = (0..12).map(|number| {
        let body = json!({"name": format!("n{number}"), "configuration": {"mine": number.to_string(), "oauth.api.key": format!("key-{number}")}});
        outcome(client.call(Method::PATCH, &path).json(&body))
    });
    let outcomes = futures_util::future::join_all(changes).await;
    let done = outcomes.iter().filter(|(status, _)| *status == 200).count();
    assert!(done >= 1 && outcomes.iter().all(|(status, _)| [200, 409].contains(status)), "{outcomes:?}");
    let shown = ok(client.call(Method::GET, &path)).await;
    assert_eq!(
        format!("n{}", shown["configuration"]["mine"].as_str().unwrap()),
        shown["name"].as_str().unwrap()
    );
    assert_eq!(access(client, &made).await.0, 200);
}

#[tokio::test]
async fn without_an_id_the_tokens_instance_is_meant_but_for_the_list() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let (first, second) =
        (client.instance("infusionsoftcrm", "One").await, client.instance("infusionsoftcrm", "Two").await);
    let token = first["token"].as_str().unwrap();
    let listed = ok(client.call_as(token, Method::GET, "/instances")).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "GET /instances is always the list");
    let renamed = client.call_as(token, Method::PATCH, "/instances").json(&json!({"name": "Renamed"}));
    assert_eq!(ok(renamed).await["id"], first["id"]);
    let platform = client.call(Method::DELETE, "/instances");
    assert_eq!(outcome(platform).await.0, 401, "the platform's secrets name no instance");
    assert_eq!(client.call_as(token, Method::DELETE, "/instances").send().await.unwrap().status(), 200);
    assert_eq!(access(client, &first).await.0, 404);
    assert_eq!(access(client, &second).await.0, 200);
}

#[tokio::test]
async fn of_many_changes_at_once_none_that_was_answered_is_lost() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Busy").await;
    let path = format!("/instances/{}", made["id"]);
    let open = (0..12).map(|number| json!({"configuration": {format!("key{number}"): "kept"}}));
    let again = json!({"providerData": {"code": client.code("infusionsoftcrm").await}});
    let changes = open.chain([again]).map(|body| {
        let request = client.call(Method::PATCH, &path).json(&body);
        async move { (body, outcome(request).await) }
    });
    let outcomes = futures_util::future::join_all(changes).await;
    let shown = ok(client.call(Method::GET, &path)).await;
    for (body, (status, answer)) in outcomes {
        assert!([200, 409].contains(&status), "{answer}");
        for key in body["configuration"].as_object().into_iter().flatten().map(|(key, _)| key) {
            assert_eq!(shown["configuration"][key] == "kept", status == 200, "{key}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_configuration_cannot_grow_beyond_what_a_store_keeps() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Growing").await;
    let path = format!("/instances/{}", made["id"]);
    for (prefix, most) in [("open", 2), ("password", 1)] {
        let mut kept = 0;
        for number in 0..4 {
            let key = format!("{prefix}{number}.{prefix}");
            let body = json!({"configuration": {key: "x".repeat(12_000)}});
            let (status, answer) = outcome(client.call(Method::PATCH, &path).json(&body)).await;
            assert!(status == 200 || answer["message"].as_str().unwrap().contains("32768"), "{answer}");
            kept += usize::from(status == 200);
        }
        assert!(kept <= most, "{prefix}: {kept}");
    }
    assert_eq!(access(client, &made).await.0, 200);
}

#[tokio::test]
async fn a_mask_is_no_secret_and_a_token_that_is_brought_is_used() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Cloned").await;
    let mut clone = made.clone();
    clone["providerData"] = json!({"code": client.code("infusionsoftcrm").await});
    let (status, answer) = outcome(client.call(Method::POST, "/instances").json(&clone)).await;
    assert_eq!(status, 400);
    assert_eq!(answer["message"], "Missing configuration: oauth.api.key, oauth.api.secret");
    clone["externalAuthentication"] = json!("initial");
    clone["providerData"] = Value::Null;
    let keys =
        json!({"oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET, "oauth.user.refresh_token": MASK});
    clone["configuration"] = keys;
    let (status, answer) = outcome(client.call(Method::POST, "/instances").json(&clone)).await;
    assert!(
        status == 400 && answer["message"].as_str().unwrap().contains("oauth.user.refresh_token"),
        "{answer}"
    );
    // A refresh token that the vendor does not know is not taken for one that it does.
    let brought = json!({"configuration": {"oauth.user.refresh_token": "made-up"}});
    let path = format!("/instances/{}", made["id"]);
    assert_eq!(outcome(client.call(Method::PATCH, &path).json(&brought)).await.0, 400);
    assert_eq!(access(client, &made).await.0, 200);
}
