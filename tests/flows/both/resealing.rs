//! What an older key has sealed is sealed again, so that the key can be taken away.

use broker::Broker;
use broker::apps;
use broker::grant::sweep::sweep;
use broker::id::UserId;
use broker::record::app::{self, ClientCredentials};
use broker::record::instance;
use broker::seal::key::Key;
use broker::seal::keyring::Keyring;
use broker::store::keys::Keys;
use broker::store::records;
use sweep::LIMITS;
use tests::machine::{Machine, access_of, ask, create, keyring, rekey};
use tests::stores::plan::{Fault, Plan};

const USER: UserId = UserId(1);

fn master(master: &str) -> Key {
    Key::derive(master.as_bytes(), "grant")
}

/// Has a process know these keys, the oldest first.
fn with(broker: Broker, masters: &[&str]) -> Broker {
    let keys: Vec<_> = masters.iter().map(|name| master(name)).collect();
    Broker { keys: Keys::fixed(Keyring::of(&keys).unwrap()), ..broker }
}

/// Sweeps; gives how many records were sealed again, and whether older keys can go.
async fn swept(machine: &Machine, broker: &Broker) -> (u64, bool) {
    let resealed = sweep(broker, &LIMITS, &|| true).await.unwrap().resealed;
    let place = records::Key::new("deployment", "reseal");
    let walk = machine.registry.get(&place).await.unwrap();
    (resealed, walk.is_some_and(|walk| walk["done"] == true))
}

#[tokio::test]
async fn the_sweep_seals_everything_with_the_newest_key_and_says_when_the_older_can_go() {
    let machine = Machine::new().await;
    let old = machine.sound();
    let made = create(&old).await.unwrap();
    let pair = ClientCredentials { key: "key".to_owned().into(), secret: "secret".to_owned().into() };
    let element = old.catalogue.find("faulty").unwrap();
    let app = apps::register(&old, USER, element, "App".into(), &pair).await.unwrap();
    assert_eq!(swept(&machine, &old).await, (0, false), "there is one key");
    let both = || with(machine.sound(), &["master", "new"]);
    // The table refuses a write of it: the next pass goes on.
    let plan = Plan::at("registry update", 1, Fault::FailsOnce);
    let refused = with(machine.planned(&plan), &["master", "new"]);
    assert_eq!(swept(&machine, &refused).await, (0, false));
    assert_eq!(swept(&machine, &both()).await, (3, false));
    // A process that does not know the new key yet.
    rekey(&old, &machine.instance().await).await.unwrap_err();
    machine.pass(3_700);
    assert_eq!(swept(&machine, &both()).await, (0, false), "this round began before all knew it");
    assert_eq!(swept(&machine, &both()).await, (0, true));
    assert_eq!(swept(&machine, &both()).await, (0, true));
    let new = with(machine.sound(), &["new"]);
    let newest = new.keys.ring();
    let item = machine.registry.get(&instance::key(USER, made.id)).await.unwrap().unwrap();
    let grant = machine.grant().await.unwrap();
    let app = app::find(&machine.registry, USER, element, &app.id).await.unwrap();
    for sealed in [item["sealed"].as_str().unwrap(), &grant.sealed.unwrap(), &app.credentials] {
        assert!(newest.is_newest(sealed) && !keyring().knows(sealed));
    }
    machine.vendor.answers("200 OK", "", tests::machine::SECOND);
    assert_eq!(access_of(&ask(&new, &machine.instance().await).await.unwrap()), "second");
    // A third one begins it all again.
    let third = with(machine.sound(), &["master", "new", "third"]);
    assert_eq!(swept(&machine, &third).await, (3, false));
}

#[tokio::test]
async fn what_is_sealed_meanwhile_is_left_to_whoever_sealed_it() {
    let machine = Machine::new().await;
    let made = create(&machine.sound()).await.unwrap();
    let plan = Plan::at("registry update", 1, Fault::StopBefore);
    let resealing = with(machine.planned(&plan), &["master", "new"]);
    let mut sweeping = Box::pin(sweep(&resealing, &LIMITS, &|| true));
    plan.stops_in(&mut sweeping).await;
    machine.pass(61);
    machine.vendor.answers("200 OK", "", tests::machine::SECOND);
    ask(&machine.sound(), &made).await.unwrap();
    rekey(&machine.sound(), &made).await.unwrap();
    plan.wake();
    sweeping.await.unwrap();
    assert_eq!(machine.access_token().await, "second");
    let secrets = machine.instance().await.secrets(&keyring()).unwrap();
    assert_eq!(
        secrets.len(),
        made.configuration.values().flatten().filter(|value| *value == "********").count()
    );
}
