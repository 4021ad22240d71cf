//! What attackers and accidents send to hosted connect: every callback and return URL that is not what it should
//! be, and the same one many times. The vendor counts what it is asked.

use std::collections::BTreeSet;

use broker::clock::Clock;
use broker::id::InstanceId;
use broker::id::UserId;
use broker::record::instance;
use broker::seal::key::fingerprint;
use broker::store::records::{Change, Key, Written};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::broker::Broker;
use tests::client::{Client, ok, outcome, parameter};
use tests::vendor::Vendor;
use tests::visitor::{Got, Visitor};

const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

/// A broker whose vendor misbehaves as it is told, and grants for now.
pub(crate) async fn started() -> (Vendor, Broker) {
    let vendor = Vendor::start().await;
    vendor.answers("200 OK", "", GRANTED);
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    (vendor, broker)
}

/// Opens a link to the element, and gives the state that the vendor would send back.
async fn begun(client: &Client, visitor: &Visitor) -> String {
    let link = client.link("faulty", json!({})).await;
    parameter(&visitor.leaves(&link).await, "state").unwrap()
}

fn callback(client: &Client, query: &str) -> String {
    format!("{}/oauth/callback/faulty?{query}", client.base)
}

async fn count(client: &Client) -> usize {
    let (status, list) = outcome(client.call(Method::GET, "/instances")).await;
    if status == 404 { 0 } else { list.as_array().unwrap().len() }
}

/// Gives what a page says, without what differs from answer to answer.
fn said(got: &Got) -> String {
    let (_, body) = got.page.split_once("<body>").unwrap();
    body.to_owned()
}

#[tokio::test]
async fn a_callback_without_its_state_is_refused_in_the_same_words_and_changes_nothing() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let visitor = Visitor::new(client);
    let state = begun(client, &visitor).await;
    let flipped = format!("{}{}", &state[..42], if state.ends_with('A') { 'B' } else { 'A' });
    let other = begun(client, &visitor).await;
    let queries = [
        "code=c".to_owned(),
        "code=c&state=".to_owned(),
        format!("code=c&state={flipped}"),
        format!("code=c&state={state}%00"),
        format!("code=c&state={state}&state={state}"),
        format!("code=c&state={state}&state={other}"),
        format!("code=c&code=d&state={state}"),
        format!("code=c&code=c&state={state}"),
        format!("code=c&state={state}&iss=a&iss=b"),
        format!("error=access_denied&error=access_denied&state={state}"),
    ];
    let mut words = BTreeSet::new();
    for query in queries {
        let got = visitor.open(&callback(client, &query)).await;
        assert_eq!(got.status, 400, "{query}");
        words.insert(said(&got));
    }
    // Another element's, none's, a number in the place of the key, and another method.
    for path in ["infusionsoftcrm", "nothing", "900002", "..%252ffaulty", &"x".repeat(1_000)] {
        let url = format!("{}/oauth/callback/{path}?code=c&state={state}", client.base);
        let got = visitor.open(&url).await;
        assert_eq!(got.status, 400, "{path}");
        words.insert(said(&got));
    }
    let shared = visitor.open(&format!("{}/oauth/callback?code=c&state={state}", client.base)).await;
    words.insert(said(&shared));
    let posted = format!("{}/oauth/callback/faulty", client.base);
    let posted = visitor.post(&posted, &[("code", "c"), ("state", &state)]).await;
    words.insert(said(&posted));
    assert_eq!((shared.status, posted.status, words.len()), (400, 400, 1), "{words:?}");
    assert!(vendor.requests().is_empty() && count(client).await == 0);
    // And the flow is not burnt.
    assert_eq!(visitor.open(&callback(client, &format!("code=c&state={state}"))).await.status, 200);
    assert_eq!((vendor.requests().len(), count(client).await), (1, 1));
}

#[tokio::test]
async fn a_flow_that_took_too_long_is_over() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    client.allow(&["https://app.example/back"]).await;
    for return_url in [None, Some("https://app.example/back")] {
        let visitor = Visitor::new(client);
        let link = client.link("faulty", json!({"returnUrl": return_url, "state": "s"})).await;
        let left = visitor.open(link["url"].as_str().unwrap()).await;
        assert!(left.headers["set-cookie"].to_str().unwrap().contains("; Max-Age=87000; "), "{left:?}");
        let state = left.sent("state").unwrap();
        let key = Key::new(format!("session#{}", fingerprint(&state)), "session");
        let late = broker.registry().update(&key, Change::default().set("until", 1_000)).await.unwrap();
        let Written::Done(session) = late else { panic!("{late:?}") };
        let kept = session["expires"].as_i64().unwrap() - Clock::System.now();
        assert!(
            (86_400..=87_000).contains(&kept),
            "it is there for as long as the browser has its id: {kept}"
        );
        let url = callback(client, &format!("code=c&state={state}"));
        let got = visitor.open(&url).await;
        match return_url {
            None => assert_eq!((got.status, got.headline()), (400, "That took too long")),
            Some(_) => assert_eq!(
                (got.status, got.sent("error").as_deref(), got.sent("state").as_deref()),
                (303, Some("session_expired"), Some("s"))
            ),
        }
        assert_eq!(Visitor::new(client).open(&url).await.status, 400, "another browser learns nothing");
    }
    assert!(vendor.requests().is_empty() && count(client).await == 0);
}

#[tokio::test]
async fn a_link_that_has_expired_leads_nowhere() {
    let (_vendor, broker) = started().await;
    let client = &broker.client;
    client.allow(&["https://app.example/back"]).await;
    for (return_url, status) in [(None, 410), (Some("https://app.example/back"), 303)] {
        let link = client.link("faulty", json!({"returnUrl": return_url, "state": "s"})).await;
        let id = link["id"].as_str().unwrap();
        let key = Key::new("user#1", format!("link#{}", id.split_once('-').unwrap().1));
        broker.registry().update(&key, Change::default().set("until", 1_000)).await.unwrap();
        let got = Visitor::new(client).open(link["url"].as_str().unwrap()).await;
        assert_eq!(got.status, status);
        if status == 303 {
            assert_eq!(
                (got.sent("error").as_deref(), got.sent("state").as_deref()),
                (Some("link_expired"), Some("s"))
            );
        }
        let path = format!("/elements/faulty/links/{id}");
        assert_eq!(ok(client.call(Method::GET, &path)).await["status"], "expired");
    }
    let base = &client.base;
    for id in ["x", "1-x", "0-", "1-6b03070fa23891276bbf811f87f98e48ec39d332", &"1-a".repeat(2_000)] {
        let got = Visitor::new(client).open(&format!("{base}/connect/{id}")).await;
        assert_eq!((got.status, got.headline()), (404, "This link does not work"), "{id}");
    }
}

#[tokio::test]
async fn an_error_wins_over_a_code_and_is_escaped() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    client.allow(&["https://app.example/back"]).await;
    let script = "%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX-Evil:%201";
    for (error, headline) in
        [("access_denied", "Faulty was not connected"), ("server_error", "Faulty could not be connected")]
    {
        let visitor = Visitor::new(client);
        let state = begun(client, &visitor).await;
        let query = format!("code=c&error={error}&error_description={script}&state={state}");
        let got = visitor.open(&callback(client, &query)).await;
        assert_eq!(got.headline(), headline);
        assert!(!got.page.contains("<script") && !got.headers.contains_key("x-evil"), "{}", got.page);

        let visitor = Visitor::new(client);
        let link = client.link("faulty", json!({"returnUrl": "https://app.example/back"})).await;
        let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
        let query = format!("code=c&error={error}&error_description={script}&state={state}");
        let got = visitor.open(&callback(client, &query)).await;
        let location = got.location.as_ref().unwrap().as_str();
        assert!(location.starts_with(&format!("https://app.example/back?error={error}&")), "{location}");
        assert!(location.bytes().all(|c| c.is_ascii_graphic() && c != b'<'), "{location}");
    }
    assert!(vendor.requests().is_empty() && count(client).await == 0);
}

#[tokio::test]
async fn another_browser_is_turned_away_and_burns_nothing() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let visitor = Visitor::new(client);
    let state = begun(client, &visitor).await;
    let url = callback(client, &format!("code=c&state={state}"));
    let stranger = Visitor::new(client);
    let cookieless = stranger.open(&url).await;
    assert_eq!((cookieless.status, cookieless.headline()), (403, "Go on in the browser where you began"));
    begun(client, &stranger).await;
    assert_eq!(stranger.open(&url).await.status, 403, "with a cookie of its own");
    // Two cookies of the name: nobody knows which is the browser's.
    let cookies = format!("{}; {}", visitor.cookies(), stranger.cookies());
    let forgetful = tests::client::forgetful_http();
    let both = forgetful.get(&url).header("cookie", cookies).send().await.unwrap();
    assert_eq!(both.status(), 403);
    for cookie in ["__Host-valetkey=", "__Host-valetkey=a", "__Host-valetkey=%00", "=", ";;"] {
        let odd = forgetful.get(&url).header("cookie", cookie).send().await.unwrap();
        assert_eq!(odd.status(), 403, "{cookie}");
    }
    assert!(vendor.requests().is_empty());
    assert_eq!(visitor.open(&url).await.status, 200);
    // What came of it is the browser's own, too.
    assert_eq!(stranger.open(&url).await.status, 403);
    assert_eq!((vendor.requests().len(), count(client).await), (1, 1));
}

#[tokio::test]
async fn two_tabs_and_two_links_of_one_browser_both_work() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let visitor = Visitor::new(client);
    let first = begun(client, &visitor).await;
    let cookies = visitor.cookies();
    let second = begun(client, &visitor).await;
    assert_eq!(visitor.cookies(), cookies, "the browser stays who it is");
    let link = client.link("faulty", json!({})).await;
    let tabs = [visitor.leaves(&link).await, visitor.leaves(&link).await];
    let states = tabs.map(|tab| parameter(&tab, "state").unwrap());
    assert_ne!(states[0], states[1]);
    for (state, code) in [(&second, "a"), (&first, "b"), (&states[0], "c")] {
        let got = visitor.open(&callback(client, &format!("code={code}&state={state}"))).await;
        assert_eq!(got.status, 200, "{}", got.page);
    }
    // The link works once: its other tab is told so, and its code is not spent.
    let got = visitor.open(&callback(client, &format!("code=d&state={}", states[1]))).await;
    assert_eq!((got.status, vendor.requests().len(), count(client).await), (410, 3, 3));
}

#[tokio::test]
async fn twenty_identical_callbacks_make_one_exchange_and_one_instance() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    client.allow(&["https://app.example/back"]).await;
    let visitor = Visitor::new(client);
    let link =
        client.link("faulty", json!({"returnUrl": "https://app.example/back", "reusable": true})).await;
    let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
    let url = callback(client, &format!("code=c&state={state}"));
    let answers = join_all((0..20).map(|_| visitor.open(&url))).await;
    let locations: BTreeSet<_> = answers.iter().map(|got| got.location.clone().map(String::from)).collect();
    assert_eq!(locations, BTreeSet::from([Some("https://app.example/back?instanceId=1".to_owned())]));
    assert_eq!((vendor.requests().len(), count(client).await), (1, 1));
}

#[tokio::test]
async fn a_link_is_given_back_when_the_vendor_certainly_granted_nothing() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let link = client.link("faulty", json!({})).await;
    let path = format!("/elements/faulty/links/{}", link["id"].as_str().unwrap());
    let status = async || ok(client.call(Method::GET, &path)).await["status"].as_str().unwrap().to_owned();
    for (answer, body, headline, expected) in [
        (
            "400 Bad Request",
            r#"{"error":"invalid_grant","error_description":"used"}"#,
            "Faulty could not be connected",
            "open",
        ),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, "Faulty could not be connected", "open"),
        ("429 Too Many", "", "Faulty could not be connected", "open"),
        ("500 Broken", "", "We do not know yet whether Faulty is connected", "used"),
    ] {
        vendor.answers(answer, "", body);
        let visitor = Visitor::new(client);
        let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
        let url = callback(client, &format!("code=c&state={state}"));
        let got = visitor.open(&url).await;
        assert_eq!((got.status, got.headline()), (502, headline), "{answer}");
        assert_eq!(status().await, expected, "{answer}");
        // The same browser gets the same answer, and nobody is asked.
        let asked = vendor.requests().len();
        assert_eq!(visitor.open(&url).await.headline(), headline);
        assert_eq!(vendor.requests().len(), asked);
    }
    assert_eq!(count(client).await, 0);
}

#[tokio::test]
async fn a_vendor_may_send_the_browser_back_by_a_form_or_to_an_address_for_all() {
    let vendor = Vendor::start().await;
    vendor.answers("200 OK", "", GRANTED);
    let file = vendor.elements.path().join("vendor.toml");
    let descriptor = std::fs::read_to_string(&file).unwrap();
    for (key, id, habits) in [
        ("posting", "900011", "response_mode = \"form_post\""),
        ("sharing", "900012", "callback_path = \"shared\"\nissuer = \"https://vendor.example\""),
    ] {
        let text = descriptor.replace("/authorize\"\n", &format!("/authorize\"\n{habits}\n"));
        let text = text.replace("\"faulty\"", &format!("\"{key}\"")).replace("900002", id);
        std::fs::write(vendor.elements.path().join(format!("{key}.toml")), text).unwrap();
    }
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;

    let visitor = Visitor::new(client);
    let left = visitor.leaves(&client.link("posting", json!({})).await).await;
    assert_eq!(parameter(&left, "response_mode").as_deref(), Some("form_post"));
    assert!(
        visitor.cookies().starts_with("__Host-valetkey-post="),
        "a cross-site POST carries no Lax cookie"
    );
    let state = parameter(&left, "state").unwrap();
    let url = format!("{}/oauth/callback/posting", client.base);
    let by_query = visitor.open(&format!("{url}?code=c&state={state}")).await;
    let twice = visitor.post(&url, &[("code", "c"), ("code", "d"), ("state", &state)]).await;
    assert_eq!((by_query.status, twice.status), (400, 400));
    assert_eq!(visitor.post(&url, &[("code", "c"), ("state", &state)]).await.status, 200);

    let visitor = Visitor::new(client);
    let left = visitor.leaves(&client.link("sharing", json!({})).await).await;
    let shared = format!("{}/oauth/callback", client.base);
    assert_eq!(parameter(&left, "redirect_uri"), Some(shared.clone()));
    let state = parameter(&left, "state").unwrap();
    let open = async |end: &str| visitor.open(&format!("{shared}{end}code=c&state={state}")).await.status;
    assert_eq!(open("/sharing?").await, 400);
    assert_eq!(
        (open("?").await, open("?iss=https://evil.example&").await),
        (400, 400),
        "it advertises `iss`"
    );
    assert_eq!(vendor.requests().len(), 1);
    assert_eq!(open("?iss=https://vendor.example&").await, 200);
    assert_eq!((vendor.requests().len(), count(client).await), (2, 2));
}

#[tokio::test]
async fn cookies_of_others_beside_ours_do_no_harm() {
    let (_vendor, broker) = started().await;
    let client = &broker.client;
    let visitor = Visitor::new(client);
    let state = begun(client, &visitor).await;
    let cookies = format!("name=Jos\u{e9}; a; =b; {}; x=\u{1f511}", visitor.cookies());
    let request = tests::client::forgetful_http().get(callback(client, &format!("code=c&state={state}")));
    assert_eq!(request.header("cookie", cookies.as_bytes()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_site_cannot_send_its_visitors_through_a_link_unasked() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let link = client.link("faulty", json!({})).await;
    let url = link["url"].as_str().unwrap();
    let http = tests::client::forgetful_http();
    for (site, user, goes) in [
        ("cross-site", None, false),
        ("same-site", None, false),
        ("cross-site", Some("?1"), true),
        ("none", None, true),
        ("same-origin", None, true),
    ] {
        let mut request = http.get(url).header("sec-fetch-mode", "navigate").header("sec-fetch-site", site);
        if let Some(user) = user {
            request = request.header("sec-fetch-user", user);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status() == 303, goes, "{site} {user:?}");
        assert_eq!(answer.headers().contains_key("set-cookie"), goes);
        assert!(goes || answer.text().await.unwrap().contains("Continue to Faulty"));
    }
    // Its button leads on; another site's form does not press it.
    for (site, goes) in [("same-origin", true), ("cross-site", false), ("same-site", false)] {
        let answer = http.post(url).header("sec-fetch-site", site).body("").send().await.unwrap();
        assert_eq!(
            (answer.status() == 303, answer.headers().contains_key("set-cookie")),
            (goes, goes),
            "{site}"
        );
    }
    assert!(vendor.requests().is_empty());
}

#[tokio::test]
async fn a_user_who_is_removed_leaves_no_flow_that_could_end() {
    let (vendor, broker) = started().await;
    let admin = &broker.client;
    let user = ok(admin.call(Method::POST, "/users").json(&json!({"emailAddress": "b@example.com"}))).await;
    let client = Client { user: user["userSecret"].as_str().unwrap().to_owned(), ..admin.clone() };
    for reusable in [false, true] {
        let link = client.link("faulty", json!({"reusable": reusable})).await;
        let visitor = Visitor::new(&client);
        let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
        if reusable {
            let gone = admin.call(Method::DELETE, &format!("/users/{}", user["id"])).send().await.unwrap();
            assert_eq!(gone.status(), 200);
            let got = visitor.open(&callback(&client, &format!("code=c&state={state}"))).await;
            assert_eq!((got.status, vendor.requests().len()), (404, 0));
        }
    }
    let left = broker.registry().list(&format!("user#{}", user["id"]), "", None, 10).await.unwrap();
    assert!(left.items.is_empty(), "{:?}", left.items);
}

#[tokio::test]
async fn an_app_keeps_its_key_and_takes_its_links_along() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let app = json!({"configuration": {"oauth.api.key": "first", "oauth.api.secret": "s"}});
    let id = ok(client.call(Method::POST, "/elements/faulty/apps").json(&app)).await["id"].clone();
    let path = format!("/elements/faulty/apps/{}", id.as_str().unwrap());
    let other = json!({"configuration": {"oauth.api.key": "second", "oauth.api.secret": "s"}});
    let (status, answer) = outcome(client.call(Method::PUT, &path).json(&other)).await;
    assert!(
        status == 409 && answer["message"].as_str().unwrap().contains("register another app"),
        "{answer}"
    );
    let link = json!({"appId": id, "reusable": true, "configuration": {"oauth.api.key": "********"}});
    let link = ok(client.call(Method::POST, "/elements/faulty/links").json(&link)).await;
    let visitor = Visitor::new(client);
    let left = visitor.leaves(&link).await;
    assert_eq!(parameter(&left, "client_id").as_deref(), Some("first"));
    let state = parameter(&left, "state").unwrap();
    assert_eq!(visitor.open(&callback(client, &format!("code=c&state={state}"))).await.status, 200);
    let named = json!({"appId": "another"});
    assert_eq!(outcome(client.call(Method::PATCH, "/instances/1").json(&named)).await.0, 400);
    assert_eq!(client.call(Method::DELETE, "/instances/1").send().await.unwrap().status(), 200);
    // A visitor is at the vendor, and the app is remembered.
    let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
    let asked = vendor.requests().len();
    assert_eq!(client.call(Method::DELETE, &path).send().await.unwrap().status(), 200);
    let got = visitor.open(&callback(client, &format!("code=c&state={state}"))).await;
    assert_eq!((got.status, vendor.requests().len()), (404, asked), "{}", got.page);
    assert_eq!(Visitor::new(client).open(link["url"].as_str().unwrap()).await.status, 404);
    let links = client.call(Method::GET, "/elements/faulty/links");
    assert_eq!(ok(links).await, json!([]));
}

#[tokio::test]
async fn a_link_that_authenticates_again_ends_with_the_client_that_it_was_made_for() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    ok(client.create("faulty", "first", "Theirs")).await;
    let link = async || {
        let body = json!({"instanceId": 1});
        ok(client.call(Method::POST, "/elements/faulty/links").json(&body)).await
    };
    let (before, visitor) = (link().await, Visitor::new(client));
    visitor.leaves(&before).await;
    let other = json!({"configuration": {"oauth.api.key": "second", "oauth.api.secret": "s"}});
    ok(client.call(Method::PATCH, "/instances/1").json(&other)).await;
    assert_eq!(visitor.open(before["url"].as_str().unwrap()).await.status, 404, "the vendor would refuse it");
    let left = visitor.leaves(&link().await).await;
    assert_eq!(parameter(&left, "client_id").as_deref(), Some("second"));
    let state = parameter(&left, "state").unwrap();
    let got = visitor.open(&callback(client, &format!("code=c&state={state}"))).await;
    assert_eq!((got.status, vendor.requests().len()), (200, 2), "{}", got.page);
}

#[tokio::test]
async fn whoever_died_with_a_session_is_not_waited_for() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    let visitor = Visitor::new(client);
    let state = begun(client, &visitor).await;
    let key = Key::new(format!("session#{}", fingerprint(&state)), "session");
    let taken = Change::default().set("taken_by", "somebody").set("taken_at", Clock::System.now() - 61);
    broker.registry().update(&key, taken).await.unwrap();
    let got = visitor.open(&callback(client, &format!("code=c&state={state}"))).await;
    assert_eq!((got.status, got.headline()), (502, "We do not know yet whether Faulty is connected"));
    assert!(vendor.requests().is_empty());
}

#[tokio::test]
async fn a_visitor_waits_for_another_consent_that_is_under_way() {
    let (vendor, broker) = started().await;
    let client = &broker.client;
    ok(client.create("faulty", "first", "Revived")).await;
    let link = client.link("faulty", json!({"instanceId": 1})).await;
    let visitor = Visitor::new(client);
    let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
    let (registry, key) = (broker.registry(), instance::key(UserId(1), InstanceId(1)));
    let slot = Change::default().set("consents", 2).set("consent_since", Clock::System.now());
    registry.update(&key, slot).await.unwrap();
    let session = Key::new(format!("session#{}", fingerprint(&state)), "session");
    let ends = async {
        let is_taken = async || registry.get(&session).await.unwrap().unwrap().contains_key("taken_by");
        tests::until(is_taken).await;
        registry.update(&key, Change::default().set("consent_since", 0)).await.unwrap();
    };
    let url = callback(client, &format!("code=c&state={state}"));
    let (got, ()) = futures_util::future::join(visitor.open(&url), ends).await;
    assert_eq!((got.status, vendor.requests().len()), (200, 2), "{}", got.page);
}
