//! What the functions ask of AWS: no more than the budget, and exactly what their roles allow. These
//! tests are for the functions, `VALETKEY_STACK=lambda`.

use std::collections::BTreeSet;

use aws::config;
use broker::id::InstanceId;
use broker::id::UserId;
use broker::record::grant;
use broker::record::instance::{self, State};
use broker::store::records::{AGENDA, Change, DUE};
use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, API_SECRET, CALLBACK, Client, ok, outcome, parameter};
use tests::emulators;
use tests::lambda::Invoked;
use tests::lambda::recorder::Fault;
use tests::template::{self, Right};
use tests::vendor::Vendor;
use tests::visitor::{Visitor, own_client};

const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

/// Counts the calls to DynamoDB and to Secrets Manager.
fn counted(calls: &[String]) -> (usize, usize) {
    let of = |service: &str| calls.iter().filter(|call| call.starts_with(service)).count();
    (of("dynamodb:"), of("secretsmanager:"))
}

#[tokio::test]
async fn warm_functions_keep_to_their_budget_of_calls() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let warm = client.instance("infusionsoftcrm", "Warm").await;
    broker.calls("instances");

    let before = broker.stats().await;
    let code = client.code("infusionsoftcrm").await;
    ok(client.create("infusionsoftcrm", &code, "Counted")).await;
    let (dynamodb, secrets_manager) = counted(&broker.calls("instances"));
    // The user, an id, the marker, the instance twice, the grant twice.
    assert_eq!((dynamodb, secrets_manager), (7, 1));
    assert_eq!(
        broker.stats().await["exchanges"].as_u64(),
        before["exchanges"].as_u64().map(|count| count + 1)
    );

    // User, instance and grant are one batch; what was opened is remembered for a while.
    for secrets in [1, 0] {
        client.access_token(&warm["id"]).await;
        assert_eq!(counted(&broker.calls("instances")), (1, secrets));
    }
    let token = warm["token"].as_str().unwrap();
    ok(client.call_as(token, Method::GET, "/instances/access-token")).await;
    assert_eq!(counted(&broker.calls("instances")), (1, 0));

    broker.access_lives(warm["id"].as_u64().unwrap(), -86_400, -1).await;
    client.access_token(&warm["id"]).await;
    assert_eq!(counted(&broker.calls("instances")), (3, 0), "read, take, commit");

    ok(client.call(Method::GET, "/instances?pageSize=100")).await;
    assert_eq!(counted(&broker.calls("instances")).1, 0, "a list opens no secret");

    let path = format!("/elements/infusionsoftcrm/oauth/url?apiKey={API_KEY}&callbackUrl={CALLBACK}");
    ok(client.bare(Method::GET, &path)).await;
    ok(client.bare(Method::GET, "/elements")).await;
    assert_eq!((broker.calls("oauth-url"), broker.calls("elements")), (vec![], vec![]));
}

/// The vendor's callback, with a code that was not used before.
fn returned(client: &Client, state: &str) -> String {
    format!("{}/oauth/callback/faulty?code={}&state={state}", client.base, broker::random::id())
}

#[tokio::test]
async fn with_the_table_as_the_token_store_secrets_manager_is_not_called() {
    let broker = Broker::start(&["--token-store=table"]).await;
    let client = &broker.client;
    let made = client.instance("infusionsoftcrm", "Sealed").await;
    broker.calls("instances");
    client.access_token(&made["id"]).await;
    assert_eq!(counted(&broker.calls("instances")), (1, 0));
    broker.access_lives(1, -86_400, -1).await;
    client.access_token(&made["id"]).await;
    assert_eq!(counted(&broker.calls("instances")), (3, 0));
    broker.is_due(1).await;
    broker.calls("sweep");
    assert!(broker.sweep().await);
    let secrets = broker.calls("sweep").iter().filter(|call| call.starts_with("secretsmanager:")).count();
    assert_eq!(secrets, 1, "the keys of the deployment, once, at the start");
    assert_eq!(client.call(Method::DELETE, "/instances/1").send().await.unwrap().status(), 200);
    assert!(broker.calls("instances").iter().all(|call| call.starts_with("dynamodb:")));
}

#[tokio::test]
async fn hosted_connect_keeps_to_its_budget_of_calls() {
    let vendor = Vendor::start().await;
    vendor.answers("200 OK", "", GRANTED);
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    let app = json!({"configuration": own_client()});
    let app = ok(client.call(Method::POST, "/elements/faulty/apps").json(&app)).await["id"].clone();
    let go = async |link: &Value| {
        let visitor = Visitor::new(client);
        broker.calls("connect");
        let asked = vendor.requests().len();
        let state = parameter(&visitor.leaves(link).await, "state").unwrap();
        let hop = counted(&broker.calls("connect"));
        assert!(hop.0 <= 5 && hop.1 == 0 && vendor.requests().len() == asked, "{hop:?}");
        broker.calls("oauth-callback");
        let got = visitor.open(&returned(client, &state)).await;
        assert_eq!((got.status, vendor.requests().len()), (200, asked + 1), "{}", got.page);
        counted(&broker.calls("oauth-callback"))
    };
    // The first request of each environment reads the deployment's secrets.
    Visitor::new(client).leaves(&client.link("faulty", json!({})).await).await;
    go(&client.link("faulty", json!({})).await).await;
    for reusable in [false, true] {
        let (dynamodb, secrets_manager) =
            go(&client.link("faulty", json!({"reusable": reusable})).await).await;
        // The session twice, the link, and what a creation asks.
        assert!(dynamodb <= 9 && secrets_manager <= 1, "{dynamodb} and {secrets_manager}");
    }
    // Its maker, who may ask often what came of it, makes nobody read through all instances.
    let links = ok(client.call(Method::GET, "/elements/faulty/links")).await;
    let used = links.as_array().unwrap().iter().find(|link| link["status"] == "used").unwrap();
    broker.calls("instances");
    let path = format!("/elements/faulty/links/{}", used["id"].as_str().unwrap());
    assert!(ok(client.call(Method::GET, &path)).await["instanceId"].is_u64(), "{used}");
    assert_eq!(counted(&broker.calls("instances")), (4, 0), "the user, the link, its session, the instance");
    let named = json!({"appId": app, "reusable": true});
    let named = ok(client.call(Method::POST, "/elements/faulty/links").json(&named)).await;
    let (dynamodb, secrets_manager) = go(&named).await;
    assert!(dynamodb <= 10 && secrets_manager <= 1, "{dynamodb} and {secrets_manager}");
    let id = ok(client.call(Method::GET, "/elements/faulty/instances")).await[0]["id"].clone();
    let (dynamodb, secrets_manager) = go(&client.link("faulty", json!({"instanceId": id})).await).await;
    assert!(dynamodb <= 11 && secrets_manager <= 1, "{dynamodb} and {secrets_manager} to revive one");
    let (dynamodb, secrets_manager) = go(&named).await;
    assert!(dynamodb <= 9 && secrets_manager <= 1, "the app is remembered: {dynamodb} and {secrets_manager}");
}

/// The rights that calls imply and no emulator checks: the call and the right.
const IMPLIED: [(&str, &str); 6] = [
    // `CreateSecret` with tags (Secrets Manager User Guide, actions table).
    ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
    // A customer key: writing makes a data key and opens it, reading opens it.
    ("secretsmanager:CreateSecret", "kms:GenerateDataKey"),
    ("secretsmanager:CreateSecret", "kms:Decrypt"),
    ("secretsmanager:PutSecretValue", "kms:GenerateDataKey"),
    ("secretsmanager:PutSecretValue", "kms:Decrypt"),
    ("secretsmanager:GetSecretValue", "kms:Decrypt"),
];

/// What every function needs to run at all: its log, its traces.
const RUNTIME: [&str; 4] =
    ["logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];

/// What a function needs whose environment is encrypted.
const ENCRYPTED_ENVIRONMENT: &str = "kms:Decrypt";

/// What a function needs that no request waits for: its failed events are put aside.
const FAILED_EVENTS: &str = "sqs:SendMessage";

/// The actions for which AWS knows no resource (Service Authorization Reference, X-Ray).
const NAMELESS: [&str; 2] = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];

/// Does all that can be done to users.
async fn administer(admin: &Client) {
    let user = json!({"emailAddress": "second@example.com"});
    let made = ok(admin.call(Method::POST, "/users").json(&user)).await;
    let second = Client { user: made["userSecret"].as_str().unwrap().to_owned(), ..admin.clone() };
    second.instance("infusionsoftcrm", "Theirs").await;
    ok(admin.call(Method::GET, "/users")).await;
    let path = format!("/users/{}", made["id"]);
    ok(admin.call(Method::POST, &format!("{path}/secret"))).await;
    let removed = admin.call(Method::DELETE, &format!("{path}?deleteInstances=true"));
    assert_eq!(removed.send().await.unwrap().status(), 200);
}

/// Has the sweep refresh two instances, and remove another with its secret.
async fn sweep(broker: &Broker) {
    let mut made = Vec::new();
    // The tokens of the second are still to be moved.
    for (name, fault) in
        [("Kept", Fault::LosesReply(0)), ("Moved", denied()), ("Deleted", Fault::LosesReply(0))]
    {
        broker.fail("instances", "secretsmanager:CreateSecret", fault);
        let id = broker.client.instance("infusionsoftcrm", name).await["id"].as_u64().unwrap();
        broker.is_due(id).await;
        made.push(id);
    }
    // Its grant was marked long ago, so that nobody can be late.
    let ending = Change::default().set("state", "ending").set("ending_since", 1);
    broker.registry().update(&grant::key(InstanceId(made[2])), ending).await.unwrap();
    let deleting = Change::default().set("state", json!(State::Deleting)).set("deleted", 1);
    let deleting = deleting.set(AGENDA, "infusionsoftcrm#0").set(DUE, 1);
    broker.registry().update(&instance::key(UserId(1), InstanceId(made[2])), deleting).await.unwrap();
    // An import that died before its grant was there.
    let mut left =
        broker.registry().get(&instance::key(UserId(1), InstanceId(made[0]))).await.unwrap().unwrap();
    for (name, value) in [("id", json!(99)), ("state", json!(State::Pending)), ("imported", json!(true))] {
        left.insert(name.to_owned(), value);
    }
    left.extend([(AGENDA.to_owned(), json!("infusionsoftcrm#0")), (DUE.to_owned(), json!(1))]);
    broker.registry().insert(&instance::key(UserId(1), InstanceId(99)), left).await.unwrap();
    let before = broker.stats().await["refreshes"].as_u64().unwrap();
    assert!(broker.sweep().await);
    assert_eq!(broker.stats().await["refreshes"].as_u64().unwrap(), before + 2);
    // Where a key was added, all records are gone over.
    let (folder, function) = (tempfile::tempdir().unwrap(), broker.function("sweep"));
    let key = &function.deployed().1[config::GRANT_KEY_SECRET];
    emulators::add_key(key).await;
    let deployed = function.with(config::GRANT_KEY_SECRET, key, folder.path().join("log"));
    assert!(matches!(deployed.invoke(json!({})).await, Invoked::Answered(_)));
}

fn denied() -> Fault {
    Fault::Fails(400, "AccessDeniedException", usize::MAX)
}

/// Tells whether a right is for an item's partition, or a secret's name.
fn allows(right: &Right, place: &str) -> bool {
    let matched = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => place.starts_with(beginning),
        None => place == pattern,
    };
    if right.action.starts_with("dynamodb:") {
        return right.partitions.as_ref().is_none_or(|partitions| partitions.iter().any(|own| matched(own)));
    }
    // The stack's names have their kind before the last part; the deployment's own secrets have none.
    let Some(kind) = place.rsplit('/').nth(1).filter(|kind| *kind == "instance") else {
        return true;
    };
    let serde_norway::Value::Tagged(resource) = &right.resource else { return false };
    resource.value.as_str().is_some_and(|arn| arn.ends_with(&format!(":secret:${{AWS::StackName}}/{kind}/*")))
}

/// Has links opened: one that makes an instance, one that revives it, one whose code is refused.
async fn connect(broker: &Broker, vendor: &Vendor) {
    let client = &broker.client;
    let go = async |members: Value, expected: u16| {
        let visitor = Visitor::new(client);
        let link = client.link("faulty", members).await;
        let state = parameter(&visitor.leaves(&link).await, "state").unwrap();
        let url = returned(client, &state);
        assert_eq!(visitor.open(&url).await.status, expected);
        assert_eq!(visitor.open(&url).await.status, expected, "it is read again");
    };
    vendor.answers("200 OK", "", GRANTED);
    go(json!({}), 200).await;
    let (_, list) = outcome(client.call(Method::GET, "/elements/faulty/instances")).await;
    go(json!({"instanceId": list[0]["id"]}), 200).await;
    let app = json!({"configuration": own_client()});
    let app = ok(client.call(Method::POST, "/elements/faulty/apps").json(&app)).await["id"].clone();
    go(json!({"configuration": {}, "appId": app}), 200).await;
    vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    go(json!({}), 502).await;
}

#[tokio::test]
async fn every_role_allows_what_its_function_does_and_nothing_else() {
    let vendor = Vendor::start().await;
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    for name in ["First", "Second"] {
        client.instance("infusionsoftcrm", name).await;
    }
    client.access_token(&1.into()).await;
    ok(client.call(Method::GET, "/instances")).await;
    ok(client.bare(Method::GET, "/elements")).await;
    let rekeyed = json!({"configuration": {"oauth.api.secret": API_SECRET}});
    ok(client.call(Method::PATCH, "/instances/1").json(&rekeyed)).await;
    let again = json!({"providerData": {"code": client.code("infusionsoftcrm").await}});
    ok(client.call(Method::PUT, "/instances/1").json(&again)).await;
    let link = client.link("faulty", json!({})).await;
    let withdrawn =
        client.call(Method::DELETE, &format!("/elements/faulty/links/{}", link["id"].as_str().unwrap()));
    assert_eq!(withdrawn.send().await.unwrap().status(), 200);
    assert_eq!(client.call(Method::DELETE, "/instances/2").send().await.unwrap().status(), 200);
    administer(client).await;
    sweep(&broker).await;
    connect(&broker, &vendor).await;
    for deployed in template::functions() {
        let mut needed: BTreeSet<String> = broker.calls(&deployed.binary).into_iter().collect();
        for (call, right) in IMPLIED {
            if needed.contains(call) {
                needed.insert(right.to_owned());
            }
        }
        needed.extend(RUNTIME.map(str::to_owned));
        if deployed.paths.is_empty() {
            needed.insert(FAILED_EVENTS.to_owned());
        }
        if !deployed.variables.is_empty() {
            needed.insert(ENCRYPTED_ENVIRONMENT.to_owned());
        }
        let allowed: BTreeSet<String> = deployed.rights.iter().map(|right| right.action.clone()).collect();
        assert_eq!(allowed, needed, "the role of {}", deployed.binary);
        for Right { action, resource, .. } in &deployed.rights {
            let named = resource.as_str() != Some("*");
            assert!(named || NAMELESS.contains(&action.as_str()), "{action} on every resource");
        }
        for (action, place) in broker.places(&deployed.binary) {
            let mut rights = deployed.rights.iter().filter(|right| right.action == action);
            assert!(
                rights.any(|right| allows(right, &place)),
                "{} may not {action} {place}",
                deployed.binary
            );
        }
    }
}
