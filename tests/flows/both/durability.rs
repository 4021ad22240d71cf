//! The process is killed at random moments under load, fifty times: what was answered is there.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use tests::broker::Broker;
use tests::client::Client;

const KILLS: usize = 50;
const WORKERS: usize = 4;

/// What API Gateway says for a function whose process died.
const GATEWAYS_OWN: u16 = 502;

/// What the workers were told before the process died.
#[derive(Default)]
struct Answered {
    /// The instances that were made, as they were answered.
    made: BTreeMap<u64, Value>,
    /// Those whose deletion was asked for, and whether it was answered.
    deleted: BTreeMap<u64, bool>,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_answered_survives_fifty_kills_and_nothing_is_half() {
    let mut broker = Broker::start(&["--log", "error"]).await;
    let mut answered = Answered::default();
    for _ in 0..KILLS {
        let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(broker.client.clone()))).collect();
        // A random number of calls beside the load: the kill meets any step.
        let random = broker::random::bytes::<1>()[0];
        for _ in 0..random {
            broker.client.root("/sandbox/stats").await;
        }
        broker.kill().await;
        for worker in workers {
            let told = worker.await.unwrap();
            answered.made.extend(told.made);
            answered.deleted.extend(told.deleted);
        }
        broker.restart().await;
    }
    let Answered { made, deleted } = answered;
    let found = everything(&broker.client).await;
    println!("{} made, {} deleted, {} found after {KILLS} kills", made.len(), deleted.len(), found.len());
    assert!(made.len() >= KILLS && deleted.len() >= KILLS, "the load was no load");
    for (id, before) in &made {
        match deleted.get(id) {
            None => assert_eq!(found.get(id), Some(before), "instance {id} was answered"),
            Some(true) => assert!(!found.contains_key(id), "the deletion of instance {id} was answered"),
            Some(false) => {}
        }
    }
    for (id, instance) in &found {
        let access = broker.client.access_token(&instance["id"]).await;
        assert_eq!(broker.client.userinfo(&access).await, 200, "instance {id} is whole");
    }
    let files = ["valetkey.db", "valetkey.db-wal"]
        .map(|name| std::fs::read(broker.data.join(name)).unwrap_or_default());
    for secret in [tests::client::API_SECRET, "access_token"] {
        let open = |file: &Vec<u8>| file.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!files.iter().any(open), "{secret}: what the vault keeps is sealed");
    }
}

/// Makes instances, and deletes every other one, until the process dies.
async fn work(client: Client) -> Answered {
    let mut answered = Answered::default();
    while let Some(instance) = attempt(&client).await {
        let id = instance["id"].as_u64().unwrap();
        answered.made.insert(id, instance);
        if id.is_multiple_of(2) {
            answered.deleted.insert(id, false);
            let Ok(deleted) = client.call(Method::DELETE, &format!("/instances/{id}")).send().await else {
                break;
            };
            if deleted.status() == GATEWAYS_OWN {
                break;
            }
            assert_eq!(deleted.status(), 200);
            answered.deleted.insert(id, true);
        }
    }
    answered
}

/// Goes the whole way once; nothing when the process died on it.
async fn attempt(client: &Client) -> Option<Value> {
    let query = format!("apiKey={}&callbackUrl={}", tests::client::API_KEY, tests::client::CALLBACK);
    let url = client
        .bare(Method::GET, &format!("/elements/infusionsoftcrm/oauth/url?{query}"))
        .send()
        .await
        .ok()?;
    let url: Value = url.json().await.ok()?;
    let decided =
        client.http.post(url["oauthUrl"].as_str()?).form(&[("decision", "allow")]).send().await.ok()?;
    let callback = url::Url::parse(decided.headers()["location"].to_str().unwrap()).unwrap();
    let code = tests::client::parameter(&callback, "code").unwrap();
    let made = client.create("infusionsoftcrm", &code, "Under load").send().await.ok()?;
    let (status, body) = (made.status(), made.bytes().await.ok()?);
    if status == GATEWAYS_OWN {
        return None;
    }
    assert_eq!(status, 200, "{body:?}");
    Some(serde_json::from_slice(&body).unwrap())
}

async fn everything(client: &Client) -> BTreeMap<u64, Value> {
    let (mut found, mut next) = (BTreeMap::new(), String::new());
    loop {
        let response = client.call(Method::GET, &format!("/instances?nextPage={next}")).send().await.unwrap();
        let token = response.headers().get("elements-next-page-token").cloned();
        let page: Vec<Value> = response.json().await.unwrap();
        found.extend(page.into_iter().map(|instance| (instance["id"].as_u64().unwrap(), instance)));
        match token {
            Some(token) => token.to_str().unwrap().clone_into(&mut next),
            None => return found,
        }
    }
}
