//! Hosted connect, from a link to an instance: what its maker and its visitors see.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, API_SECRET, Client, ok, outcome, parameter};
use tests::oidc::OidcProvider;
use tests::vendor::Vendor;
use tests::visitor::{Visitor, own_client};

const KEAP: &str = "infusionsoftcrm";
const RETURN: &str = "https://app.example/back?a=b";
const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

async fn instances(client: &Client) -> Vec<Value> {
    let (status, list) = outcome(client.call(Method::GET, "/instances")).await;
    if status == 404 { Vec::new() } else { list.as_array().unwrap().clone() }
}

#[tokio::test]
async fn a_visitor_opens_a_link_allows_and_is_connected() {
    let broker = Broker::start(&["--page-title", "Acme"]).await;
    let client = &broker.client;
    let link = client.link(KEAP, json!({"name": "Theirs", "tags": ["mail"], "expiresIn": 3600})).await;
    assert_eq!(link["status"], "open");
    assert_eq!(link["configuration"]["oauth.api.secret"], "********");
    assert!(!link.to_string().contains("planted"), "{link}");
    let visitor = Visitor::new(client);
    let got = visitor.connects(&link, "allow").await;
    assert_eq!((got.status, got.headline()), (200, "Infusionsoft is connected"));
    assert!(got.page.contains("Acme"), "{}", got.page);
    let made = instances(client).await;
    assert_eq!((made.len(), &made[0]["name"], &made[0]["tags"]), (1, &json!("Theirs"), &json!(["mail"])));
    let token = client.access_token(&made[0]["id"]).await;
    assert_eq!(client.userinfo(&token).await, 200);
    // It works once, and its maker can see that it has.
    let again = Visitor::new(client).open(link["url"].as_str().unwrap()).await;
    assert_eq!((again.status, again.headline()), (410, "This link has been used"));
    let path = format!("/elements/{KEAP}/links/{}", link["id"].as_str().unwrap());
    let used = ok(client.call(Method::GET, &path)).await;
    assert_eq!((&used["status"], &used["instanceId"]), (&json!("used"), &made[0]["id"]));
    let deleted = client.call(Method::DELETE, &format!("/instances/{}", made[0]["id"])).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    let used = ok(client.call(Method::GET, &path)).await;
    assert_eq!((&used["status"], &used["instanceId"]), (&json!("used"), &Value::Null));
}

#[tokio::test]
async fn a_link_that_was_cut_off_says_so() {
    let broker = Broker::start(&[]).await;
    let visitor = Visitor::new(&broker.client);
    let link = broker.client.link(KEAP, json!({})).await;
    let url = link["url"].as_str().unwrap();
    for url in [&url[..url.len() - 1], &format!("{}/connect", broker.client.base)] {
        let got = visitor.open(url).await;
        assert_eq!((got.status, got.headline()), (404, "This link does not work"), "{url}");
    }
}

#[tokio::test]
async fn a_visitor_who_denies_can_think_again() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let link = client.link(KEAP, json!({})).await;
    let visitor = Visitor::new(client);
    let got = visitor.connects(&link, "deny").await;
    assert_eq!((got.status, got.headline()), (200, "Infusionsoft was not connected"));
    let again = format!("href=\"/connect/{}\"", link["id"].as_str().unwrap());
    assert!(got.page.contains(&again), "{}", got.page);
    assert!(instances(client).await.is_empty());
    assert_eq!(broker.stats().await["exchanges"], 0);
    assert_eq!(visitor.connects(&link, "allow").await.headline(), "Infusionsoft is connected");
    assert_eq!(instances(client).await.len(), 1);
}

#[tokio::test]
async fn a_browser_returns_to_the_links_maker_with_the_instance_or_an_error() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    client.allow(&[RETURN]).await;
    let link = client.link(KEAP, json!({"returnUrl": RETURN, "state": "my st&te", "reusable": true})).await;
    let got = Visitor::new(client).connects(&link, "allow").await;
    assert_eq!(got.status, 303);
    let id = instances(client).await[0]["id"].to_string();
    let expected = format!("{RETURN}&instanceId={id}&state=my%20st%26te");
    assert_eq!(got.location.as_ref().unwrap().as_str(), expected, "no token, no code");

    let got = Visitor::new(client).connects(&link, "deny").await;
    assert!(got.location.as_ref().unwrap().as_str().starts_with(&format!("{RETURN}&error=access_denied&")));
    assert_eq!(got.sent("state").as_deref(), Some("my st&te"));
    assert_eq!(got.sent("error_description").as_deref(), Some("The user denied the request"));
    assert_eq!(instances(client).await.len(), 1);

    // An admin takes the address off the list: the link is dead.
    client.allow(&[]).await;
    assert_eq!(Visitor::new(client).open(link["url"].as_str().unwrap()).await.status, 404);
}

#[tokio::test]
async fn a_reusable_link_connects_many_until_it_is_withdrawn() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let link = client.link(KEAP, json!({"reusable": true})).await;
    let (first, second, third) = (Visitor::new(client), Visitor::new(client), Visitor::new(client));
    assert_eq!(first.connects(&link, "allow").await.status, 200);
    assert_eq!(second.connects(&link, "allow").await.status, 200);
    assert_eq!(instances(client).await.len(), 2);
    let back = third.decides(&link, "allow").await;
    let path = format!("/elements/{KEAP}/links/{}", link["id"].as_str().unwrap());
    assert_eq!(client.call(Method::DELETE, &path).send().await.unwrap().status(), 200);
    assert_eq!(third.open(back.as_str()).await.status, 404, "it was under way");
    assert_eq!(Visitor::new(client).open(link["url"].as_str().unwrap()).await.status, 404);
    assert_eq!(outcome(client.call(Method::GET, &path)).await.0, 404);
    assert_eq!((instances(client).await.len(), &broker.stats().await["exchanges"]), (2, &json!(2)));
}

#[tokio::test]
async fn a_link_authenticates_an_instance_again_which_keeps_its_id_and_token() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let old = client.instance(KEAP, "Old").await;
    let before = client.access_token(&old["id"]).await;
    // The client is the instance's own.
    let body = json!({"instanceId": old["id"], "tags": ["again"]});
    let link = ok(client.call(Method::POST, &format!("/elements/{KEAP}/links")).json(&body)).await;
    assert_eq!(Visitor::new(client).connects(&link, "allow").await.status, 200);
    let list = instances(client).await;
    assert_eq!((list.len(), &list[0]["id"], &list[0]["token"]), (1, &old["id"], &old["token"]));
    assert_eq!((&list[0]["name"], &list[0]["tags"]), (&json!("Old"), &json!(["again"])));
    let after = client.access_token(&old["id"]).await;
    assert!(before != after && client.userinfo(&after).await == 200);
}

#[tokio::test]
async fn links_are_listed_by_element_and_their_makers_alone() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let links = format!("/elements/{KEAP}/links");
    let mut made = Vec::new();
    for name in ["a", "b", "c"] {
        made.push(client.link(KEAP, json!({"name": name})).await["id"].clone());
    }
    client.link("infusionsoftmarketing", json!({})).await;
    let first = client.call(Method::GET, &format!("{links}?pageSize=2")).send().await.unwrap();
    let next = first.headers()["elements-next-page-token"].to_str().unwrap().to_owned();
    let page: Value = first.json().await.unwrap();
    let rest = ok(client.call(Method::GET, &format!("{links}?nextPage={next}"))).await;
    let mut listed: Vec<_> = [page, rest].iter().flat_map(|page| page.as_array().unwrap().clone()).collect();
    listed.sort_by_key(|link| link["name"].to_string());
    assert_eq!(listed.iter().map(|link| link["id"].clone()).collect::<Vec<_>>(), made);

    let user = ok(client.call(Method::POST, "/users").json(&json!({"emailAddress": "b@example.com"}))).await;
    let other = Client { user: user["userSecret"].as_str().unwrap().to_owned(), ..client.clone() };
    assert_eq!(ok(other.call(Method::GET, &links)).await, json!([]));
    for method in [Method::GET, Method::DELETE] {
        let path = format!("{links}/{}", made[0].as_str().unwrap());
        let (status, answer) = outcome(other.call(method, &path)).await;
        assert_eq!((status, answer["message"].as_str().unwrap().contains("No link found")), (404, true));
    }
    // A user who is let in no more leaves no links.
    let theirs = other.link(KEAP, json!({})).await;
    let off = format!("/users/{}/enabled", user["id"]);
    assert_eq!(client.call(Method::DELETE, &off).send().await.unwrap().status(), 200);
    assert_eq!(Visitor::new(client).open(theirs["url"].as_str().unwrap()).await.status, 404);
}

#[tokio::test]
async fn what_a_link_cannot_be_is_said_with_the_reason() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    for (element, body, word) in [
        (KEAP, json!({}), "appId"),
        (KEAP, json!({"configuration": {"oauth.api.key": "k"}}), "oauth.api.secret"),
        (KEAP, json!({"configuration": own_client(), "expiresIn": 0}), "expiresIn"),
        (KEAP, json!({"configuration": own_client(), "expiresIn": "soon"}), "expiresIn"),
        (KEAP, json!({"configuration": own_client(), "expiresIn": 7_776_001}), "7776000"),
        (KEAP, json!({"configuration": own_client(), "returnUrl": "https://nobody.example/"}), "return-urls"),
        (KEAP, json!({"configuration": own_client(), "state": "a\u{0}"}), "state"),
        (KEAP, json!({"configuration": own_client(), "scope": "s".repeat(3_000)}), "scope"),
        (KEAP, json!({"configuration": own_client(), "reusable": "often"}), "reusable"),
        (KEAP, json!({"configuration": own_client(), "appId": "a"}), "not both"),
        (KEAP, json!({"configuration": own_client(), "instanceId": "x"}), "instanceId"),
        (
            KEAP,
            json!({"configuration": {"oauth.api.key": "k", "oauth.api.secret": "s",
            "oauth.callback.url": "https://app.example/"}}),
            "/oauth/callback/infusionsoftcrm",
        ),
        (
            KEAP,
            json!({"configuration": {"oauth.api.key": "k", "oauth.api.secret": "s",
            "infusionsoft.server": "evil.example"}}),
            "infusionsoft.server",
        ),
    ] {
        let request = client.call(Method::POST, &format!("/elements/{element}/links")).json(&body);
        let (status, answer) = outcome(request).await;
        let message = answer["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(word), "{body}: {status} {message}");
    }
    let bodies = [json!({"configuration": own_client(), "instanceId": 7}), json!({"appId": "a".repeat(40)})];
    for body in bodies {
        let request = client.call(Method::POST, &format!("/elements/{KEAP}/links")).json(&body);
        assert_eq!(outcome(request).await.0, 404, "{body}");
    }
    let bare = client.bare(Method::POST, &format!("/elements/{KEAP}/links"));
    assert_eq!(outcome(bare.json(&json!({"configuration": own_client()}))).await.0, 401);
}

#[tokio::test]
async fn a_visitor_is_asked_for_what_only_visitors_know() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let link = client.link("shopify", json!({})).await;
    let url = link["url"].as_str().unwrap();
    let visitor = Visitor::new(client);
    let asked = visitor.open(url).await;
    assert_eq!((asked.status, asked.headline()), (200, "Connect Shopify"));
    assert!(
        asked.page.contains("name=\"shopify.shop\"") && asked.page.contains("<label for=\"shopify.shop\"")
    );
    assert!(asked.headers.get("set-cookie").is_none(), "nothing has begun");
    for wrong in
        ["", "acme.evil.example", "acme.myshopify.com@evil.example", "127.0.0.1", "<script>alert(1)</script>"]
    {
        let refused = visitor.post(url, &[("shopify.shop", wrong)]).await;
        assert_eq!((refused.status, refused.location.is_none()), (400, true), "{wrong}");
        assert!(refused.page.contains("aria-invalid=\"true\""), "{}", refused.page);
    }
    let sent = visitor.post(url, &[("shopify.shop", " Acme "), ("oauth.api.key", "mine")]).await;
    let location = sent.location.unwrap();
    assert_eq!((sent.status, location.host_str()), (303, Some("acme.myshopify.com")));
    assert_eq!(parameter(&location, "client_id").as_deref(), Some(API_KEY));
    assert!(sent.headers["set-cookie"].to_str().unwrap().contains("; Secure; HttpOnly; SameSite=Lax"));
}

/// Makes an app whose secret is this.
async fn app(client: &Client, element: &str, secret: &str) -> String {
    let body =
        json!({"name": "Our app", "configuration": {"oauth.api.key": API_KEY, "oauth.api.secret": secret}});
    let made = ok(client.call(Method::POST, &format!("/elements/{element}/apps")).json(&body)).await;
    assert!(!made.to_string().contains(secret) && !made.to_string().contains(API_KEY), "{made}");
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_app_is_given_once_and_named_by_links_and_instances() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let id = app(client, KEAP, API_SECRET).await;
    let body = json!({"appId": id, "name": "By link"});
    let link = ok(client.call(Method::POST, &format!("/elements/{KEAP}/links")).json(&body)).await;
    assert_eq!(link["appId"], *id);
    assert_eq!(Visitor::new(client).connects(&link, "allow").await.status, 200);
    let mut body = tests::client::body(KEAP, &client.code(KEAP).await, "By code");
    body["appId"] = json!(id);
    let (status, answer) = outcome(client.call(Method::POST, "/instances").json(&body)).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("not both"), "{answer}");
    for key in ["oauth.api.key", "oauth.api.secret"] {
        body["configuration"].as_object_mut().unwrap().remove(key);
    }
    ok(client.call(Method::POST, "/instances").json(&body)).await;
    let list = instances(client).await;
    for instance in &list {
        assert_eq!(
            (&instance["appId"], &instance["configuration"]["oauth.api.secret"]),
            (&json!(id), &json!("********"))
        );
        assert_eq!(client.userinfo(&client.access_token(&instance["id"]).await).await, 200);
        // Putting back what was read changes nothing.
        let path = format!("/instances/{}", instance["id"]);
        assert_eq!(ok(client.call(Method::PUT, &path).json(instance)).await["appId"], *id);
        let again = client.call(Method::PUT, &format!("{path}?reAuthenticate=true")).json(&json!({}));
        assert_eq!(ok(again).await["valid"], true);
    }
    // It stays as long as it is used.
    let path = format!("/elements/{KEAP}/apps/{id}");
    let (status, answer) = outcome(client.call(Method::DELETE, &path)).await;
    assert!(status == 409 && answer["message"].as_str().unwrap().contains("instance 1"), "{answer}");
    let half = json!({"configuration": {"oauth.api.secret": "another"}});
    assert_eq!(outcome(client.call(Method::PATCH, "/instances/1").json(&half)).await.0, 400);
    let own = json!({"configuration": {"oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET}});
    assert_eq!(ok(client.call(Method::PATCH, "/instances/1").json(&own)).await["appId"], Value::Null);
    assert_eq!(client.userinfo(&client.access_token(&json!(1)).await).await, 200);
    assert_eq!(client.call(Method::DELETE, "/instances/2").send().await.unwrap().status(), 200);
    assert_eq!(broker.stats().await["revocations"], 1, "by the app's client");
    assert_eq!(client.call(Method::DELETE, &path).send().await.unwrap().status(), 200);
    assert_eq!(outcome(client.call(Method::GET, &path)).await.0, 404);
}

#[tokio::test]
async fn an_app_belongs_to_its_user_and_element_and_ends_with_the_user() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let user = ok(client.call(Method::POST, "/users").json(&json!({"emailAddress": "b@example.com"}))).await;
    let other = Client { user: user["userSecret"].as_str().unwrap().to_owned(), ..client.clone() };
    let id = app(&other, KEAP, API_SECRET).await;
    let replaced = json!({"name": "New", "configuration": own_client()});
    for (who, element, expected) in
        [(&other, KEAP, 200), (client, KEAP, 404), (&other, "infusionsoftmarketing", 404)]
    {
        let path = format!("/elements/{element}/apps/{id}");
        assert_eq!(outcome(who.call(Method::GET, &path)).await.0, expected);
        assert_eq!(outcome(who.call(Method::PUT, &path).json(&replaced)).await.0, expected);
        let body = json!({"appId": id});
        let link = who.call(Method::POST, &format!("/elements/{element}/links")).json(&body);
        assert_eq!(outcome(link).await.0, expected);
    }
    let list = ok(other.call(Method::GET, &format!("/elements/{KEAP}/apps"))).await;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["name"]), (1, &json!("New")));
    let missing = json!({"configuration": {"oauth.api.key": "k", "oauth.api.secret": "********"}});
    let request = other.call(Method::POST, &format!("/elements/{KEAP}/apps")).json(&missing);
    let (status, answer) = outcome(request).await;
    assert_eq!((status, &answer["message"]), (400, &json!("Missing configuration: oauth.api.secret")));
    let removed = client.call(Method::DELETE, &format!("/users/{}", user["id"])).send().await.unwrap();
    assert_eq!(removed.status(), 200);
    let left = broker.registry().list(&format!("user#{}", user["id"]), "app#", None, 10).await.unwrap();
    assert!(left.items.is_empty());
}

#[tokio::test]
async fn a_new_secret_of_an_app_counts_at_once_where_the_old_one_is_refused() {
    let vendor = Vendor::start().await;
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    // The vendor knows the second secret from a certain moment on.
    let knows = |secret: &str| {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{API_KEY}:{secret}"));
        vendor.answers_by(move |request| {
            let (status, body) = if request.contains(&basic) {
                ("200 OK", GRANTED)
            } else {
                ("401 Unauthorized", r#"{"error":"invalid_client"}"#)
            };
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        });
    };
    let id = app(client, "faulty", "planted-first").await;
    let link = json!({"appId": id, "reusable": true});
    let link = ok(client.call(Method::POST, "/elements/faulty/links").json(&link)).await;
    let connect = async || {
        let visitor = Visitor::new(client);
        let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
        let code = broker::random::id();
        visitor.open(&format!("{}/oauth/callback/faulty?code={code}&state={state}", client.base)).await.status
    };
    knows("planted-first");
    assert_eq!(connect().await, 200);
    knows("planted-second");
    // Nobody has told us yet: the secret is read again, once, and is the same.
    let asked = vendor.requests().len();
    assert_eq!((connect().await, vendor.requests().len()), (502, asked + 1));
    let second = json!({"configuration": {"oauth.api.key": API_KEY, "oauth.api.secret": "planted-second"}});
    ok(client.call(Method::PUT, &format!("/elements/faulty/apps/{id}")).json(&second)).await;
    let asked = vendor.requests().len();
    assert_eq!((connect().await, vendor.requests().len()), (200, asked + 2), "refused, read again, taken");
    assert_eq!((connect().await, vendor.requests().len()), (200, asked + 3), "and now it is known");
    // A refresh too.
    let again = client.call(Method::PUT, "/instances/1?reAuthenticate=true").json(&json!({}));
    assert_eq!(ok(again).await["valid"], true);
}

#[tokio::test]
async fn a_certified_server_with_pkce_and_an_issuer_is_connected_by_a_link() {
    let server = OidcProvider::start().await;
    let broker = Broker::start(&["--elements", server.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    client.allow(&[RETURN]).await;
    let link = client.link("oidcprovider", json!({"returnUrl": RETURN})).await;
    let visitor = Visitor::new(client);
    let authorize = visitor.leaves(&link).await;
    assert_eq!(parameter(&authorize, "code_challenge_method").as_deref(), Some("S256"));
    let back = server.consent_until(authorize.as_str(), &format!("{}/oauth/callback/", client.base)).await;
    assert_eq!(parameter(&back, "iss").as_deref(), Some(server.issuer.as_str()));
    // Another issuer's answer, or one without a name, is no answer to this.
    for (from, to) in [("iss=http", "iss=https"), ("iss=", "is=")] {
        let forged = back.as_str().replace(from, to);
        assert_ne!(forged, back.as_str());
        assert_eq!(visitor.open(&forged).await.status, 400);
    }
    let got = visitor.open(back.as_str()).await;
    let id = got.sent("instanceId").expect("an instance");
    let token = client.access_token(&id.parse().unwrap()).await;
    assert_eq!(server.userinfo(&token).await, 200);
    // The same browser gets the same answer, and the code is not sent again: the server would end the grant.
    assert_eq!(visitor.open(back.as_str()).await.location, got.location);
    assert_eq!(server.userinfo(&token).await, 200);
}
