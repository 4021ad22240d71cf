//! An instance is changed while stores fail, replies are lost, and the process dies at every write: the grant
//! that the vendor gave last is never lost, and one that works is always there.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use tests::machine::{Machine, create};
use tests::suites::faulty::{Fault, Plan};
use tests::suites::lossy::Lossy;
use valetkey::app::App;
use valetkey::clock::Stopwatch;
use valetkey::error::Error;
use valetkey::instance::{self, Instance};
use valetkey::redeem::Proof;
use valetkey::removal;
use valetkey::renewal::{self, Ask};
use valetkey::revision::{Revision, revise};

pub(crate) const SECOND: &str =
    r#"{"access_token":"second","refresh_token":"refresh2","token_type":"bearer","expires_in":60}"#;

/// The writes of a new consent: the lease, the secret, the commit.
const REVISION: usize = 3;

/// Longer than a lease lasts, with what the clocks may differ.
const LEASE_IS_DEAD: i64 = 400;

async fn consent_again(app: &App, instance: &Instance) -> Result<Instance, Error> {
    let proof = Some(Proof::Code("code".to_owned().into(), None));
    revise(app, instance.clone(), &Revision { proof, ..Revision::default() }, Stopwatch::start()).await
}

/// Changes a secret of the configuration, which goes through the lease as well.
pub(crate) async fn rekey(app: &App, instance: &Instance) -> Result<Instance, Error> {
    let configuration = Some(BTreeMap::from([("oauth.api.key".to_owned(), Some("another".to_owned()))]));
    let revision = Revision { configuration, name: Some("Rekeyed".into()), ..Revision::default() };
    revise(app, instance.clone(), &revision, Stopwatch::start()).await
}

pub(crate) async fn found(machine: &Machine) -> Instance {
    instance::find(&machine.registry, 1, 1).await.unwrap().unwrap()
}

pub(crate) async fn access_token(app: &App, instance: &Instance) -> String {
    app.grant(instance).await.unwrap().unwrap().tokens.access_token.expose_secret().to_owned()
}

#[tokio::test]
async fn a_death_at_any_write_of_a_new_consent_loses_neither_grant() {
    for turn in 1..=REVISION {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(fault)));
            let made = create(&machine.sound()).await.unwrap();
            machine.vendor.answers("200 OK", "", SECOND);
            machine.pass(1);
            let app = machine.planned(&plan);
            plan.dies_in(consent_again(&app, &made)).await;
            let done = if fault == Fault::DeathAfter { turn } else { turn - 1 };
            let (app, left) = (machine.sound(), found(&machine).await);
            let committed = done == REVISION;
            assert_eq!(
                access_token(&app, &left).await,
                if committed { "second" } else { "access" },
                "{done}"
            );
            assert_eq!(left.lease_owner.is_some(), (1..REVISION).contains(&done), "{done}");

            // While the dead holder may live, nobody else writes; then what it had stored becomes current.
            let soon = rekey(&app, &left).await;
            assert_eq!(soon.is_err(), left.lease_owner.is_some(), "{done}");
            assert!(!matches!(soon, Err(ref error) if error.status() != 409), "{soon:?}");
            machine.pass(LEASE_IS_DEAD);
            let after = rekey(&app, &found(&machine).await).await.unwrap();
            assert_eq!(
                access_token(&app, &after).await,
                if done >= 2 { "second" } else { "access" },
                "{done}"
            );
            assert_eq!(
                (after.lease_owner, after.predecessors.len(), after.name.as_str()),
                // One who has stored nothing may only stand still, and is looked for as long as there is doubt.
                (None, usize::from(done == 1), "Rekeyed")
            );
            let grant = app.grant(&found(&machine).await).await.unwrap().unwrap();
            assert_eq!(grant.secret("oauth.api.key"), Some("another"));
        }
    }
}

#[tokio::test]
async fn lost_replies_and_stores_that_fail_once_change_nothing() {
    let machine = Machine::new().await;
    let app = machine.app(machine.vault.clone(), Lossy(machine.registry.clone()));
    let made = create(&app).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    let again = consent_again(&app, &made).await.unwrap();
    assert_eq!((access_token(&app, &again).await.as_str(), again.generation), ("second", 2));
    assert_eq!(rekey(&app, &again).await.unwrap().generation, 3);
    for turn in [2, REVISION] {
        let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(Fault::FailsOnce)));
        let made = create(&machine.sound()).await.unwrap();
        machine.vendor.answers("200 OK", "", SECOND);
        let app = machine.planned(&plan);
        let again = consent_again(&app, &made).await.unwrap();
        assert_eq!(access_token(&app, &again).await, "second", "write {turn}");
        assert_eq!(machine.asked(), (2, 0), "each code is spent once");
    }
}

#[tokio::test]
async fn a_store_that_fails_for_good_leaves_a_grant_that_works() {
    for turn in 1..=REVISION {
        let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(Fault::Fails)));
        let made = create(&machine.sound()).await.unwrap();
        machine.vendor.answers("200 OK", "", SECOND);
        let error = consent_again(&machine.planned(&plan), &made).await.unwrap_err();
        let spent = turn > 1;
        assert_eq!(error.status().as_u16(), if spent { 500 } else { 503 }, "write {turn}: {error}");
        assert_eq!(machine.asked().0, 1 + usize::from(spent), "no code is spent without the lease");
        let left = found(&machine).await;
        assert_eq!(access_token(&machine.sound(), &left).await, "access", "the old one stays");
    }
}

#[tokio::test]
async fn a_refused_or_doubtful_consent_gives_the_lease_back() {
    for status in ["400 Bad Request", "500 Failed", "429 Too Many Requests"] {
        let machine = Machine::new().await;
        let app = machine.sound();
        let made = create(&app).await.unwrap();
        machine.vendor.answers(status, "", r#"{"error":"invalid_grant"}"#);
        consent_again(&app, &made).await.unwrap_err();
        let left = found(&machine).await;
        assert_eq!((left.lease_owner.as_ref(), left.valid), (None, true), "{status}");
        assert_eq!(access_token(&app, &left).await, "access");
        rekey(&app, &left).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_is_deleted_meanwhile_keeps_no_grant_anywhere() {
    let (machine, plan) = (Machine::new().await, Plan::new(2, Some(Fault::DeathBefore)));
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    // The first process stands still before it stores; the instance is deleted; then another that holds
    // the same lease would go on, which is what a process that wakes up late does.
    let app = machine.planned(&plan);
    let mut consenting = Box::pin(consent_again(&app, &made));
    plan.dies_in(&mut consenting).await;
    removal::remove(&machine.sound(), &found(&machine).await).await.unwrap();
    plan.wake();
    let error = consenting.await.unwrap_err();
    assert_eq!(error.status(), 404);
    assert_eq!(machine.asked(), (2, 2), "the old grant and the new are revoked");
    assert!(machine.record().await.is_none());
}

#[tokio::test]
async fn a_new_consent_that_died_half_way_revives_a_dead_grant() {
    let (machine, plan) = (Machine::new().await, Plan::new(REVISION, Some(Fault::DeathBefore)));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(61);
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    let ask = renewal::live(&machine.sound(), made, Ask::Lasting(0), Stopwatch::start()).await;
    assert_eq!(ask.err().unwrap().status(), 409);
    let dead = found(&machine).await;
    assert!(!dead.valid);
    machine.vendor.answers("200 OK", "", SECOND);
    let app = machine.planned(&plan);
    plan.dies_in(consent_again(&app, &dead)).await;
    machine.pass(LEASE_IS_DEAD);
    let revived = rekey(&machine.sound(), &found(&machine).await).await.unwrap();
    assert!(revived.valid && revived.in_doubt.is_none(), "the record knows of the grant that was found");
    assert_eq!(access_token(&machine.sound(), &revived).await, "second");
}

#[tokio::test]
async fn a_deletion_ends_the_newest_grant_also_one_that_a_dead_holder_stored() {
    let (machine, plan) = (Machine::new().await, Plan::new(REVISION, Some(Fault::DeathBefore)));
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    let app = machine.planned(&plan);
    plan.dies_in(consent_again(&app, &made)).await;
    // Asked with what was seen before all that.
    removal::remove(&machine.sound(), &made).await.unwrap();
    let sent = machine.vendor.requests().pop().unwrap();
    assert!(sent.starts_with("POST /revoke ") && sent.contains("token=refresh2"), "{sent}");
    assert!(machine.record().await.is_none());
}

#[tokio::test]
async fn a_secret_that_changes_too_often_is_refused_before_the_vendor_is_asked() {
    let machine = Machine::new().await;
    let app = machine.sound();
    let mut instance = create(&app).await.unwrap();
    let mut written = 0;
    let refused = loop {
        match rekey(&app, &instance).await {
            Ok(changed) => instance = changed,
            Err(error) => break error,
        }
        written += 1;
        assert!(written < 100, "Secrets Manager keeps no more");
    };
    assert_eq!(refused.status().as_u16(), 429);
    let wait = refused.retry_after().unwrap();
    let asked = machine.asked();
    assert_eq!(consent_again(&app, &instance).await.unwrap_err().status().as_u16(), 429);
    assert_eq!(machine.asked(), asked, "no code is spent");
    machine.pass(i64::try_from(wait).unwrap());
    rekey(&app, &instance).await.unwrap();
}

#[tokio::test]
async fn a_holder_that_wakes_late_says_so_and_what_it_stored_is_found_when_no_other_has_written() {
    for another_writes in [true, false] {
        let (machine, plan) = (Machine::new().await, Plan::new(2, Some(Fault::DeathBefore)));
        let made = create(&machine.sound()).await.unwrap();
        machine.vendor.answers("200 OK", "", SECOND);
        let app = machine.planned(&plan);
        let mut consenting = Box::pin(consent_again(&app, &made));
        plan.dies_in(&mut consenting).await;
        machine.pass(LEASE_IS_DEAD);
        let sound = machine.sound();
        if another_writes {
            rekey(&sound, &found(&machine).await).await.unwrap();
        } else {
            // It takes the lease over, is refused by the vendor, and gives it back.
            machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
            consent_again(&sound, &found(&machine).await).await.unwrap_err();
        }
        plan.wake();
        assert_eq!(consenting.await.unwrap_err().status(), 500);
        let again = rekey(&sound, &found(&machine).await).await.unwrap();
        assert_eq!(access_token(&sound, &again).await, if another_writes { "access" } else { "second" });
        assert_eq!(found(&machine).await.lease_owner, None);
    }
}

#[tokio::test]
async fn a_new_consent_that_died_half_way_brings_its_configuration_along() {
    const ELSEWHERE: &str = "https://app.example.com/another";
    let callback = |instance: &Instance| instance.configuration["oauth.callback.url"].clone();
    let (machine, plan) = (Machine::new().await, Plan::new(REVISION, Some(Fault::DeathBefore)));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(1);
    machine.vendor.answers("200 OK", "", SECOND);
    let app = machine.planned(&plan);
    let configuration = BTreeMap::from([("oauth.callback.url".to_owned(), Some(ELSEWHERE.to_owned()))]);
    let revision = Revision {
        proof: Some(Proof::Code("code".to_owned().into(), None)),
        configuration: Some(configuration),
        ..Revision::default()
    };
    plan.dies_in(revise(&app, made.clone(), &revision, Stopwatch::start())).await;
    assert_eq!(callback(&found(&machine).await), callback(&made));
    // Somebody renames it meanwhile, which needs no lease.
    let rename = Revision { name: Some("Renamed".into()), ..Revision::default() };
    revise(&machine.sound(), found(&machine).await, &rename, Stopwatch::start()).await.unwrap();
    machine.pass(LEASE_IS_DEAD);
    machine.sweep().await;
    let now = found(&machine).await;
    assert_eq!(
        (callback(&now).as_deref(), now.name.as_str(), now.lease_owner),
        (Some(ELSEWHERE), "Renamed", None)
    );
}

#[tokio::test]
async fn a_change_of_a_secret_that_died_after_storing_leaves_no_doubt() {
    let (machine, plan) = (Machine::new().await, Plan::new(REVISION, Some(Fault::DeathBefore)));
    let made = create(&machine.sound()).await.unwrap();
    plan.dies_in(rekey(&machine.planned(&plan), &made)).await;
    machine.pass(LEASE_IS_DEAD);
    machine.vendor.answers("200 OK", "", SECOND);
    let live =
        renewal::live(&machine.sound(), found(&machine).await, Ask::New, Stopwatch::start()).await.unwrap();
    assert_eq!(live.grant.tokens.access_token.expose_secret(), "second");
    assert_eq!(live.grant.secret("oauth.api.key"), Some("another"));
}

#[tokio::test]
async fn a_consent_that_was_stored_is_found_although_the_grant_is_dead_and_a_takeover_failed() {
    let (machine, plan) = (Machine::new().await, Plan::new(REVISION, Some(Fault::DeathBefore)));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(61);
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    let asked = renewal::live(&machine.sound(), made, Ask::Lasting(0), Stopwatch::start()).await;
    assert_eq!(asked.err().unwrap().status(), 409);
    machine.vendor.answers("200 OK", "", SECOND);
    let dead = found(&machine).await;
    plan.dies_in(consent_again(&machine.planned(&plan), &dead)).await;
    machine.pass(LEASE_IS_DEAD);
    // The sweep takes the lease over and cannot read the vault: every operation after the takeover fails once.
    let blind = machine.planned(&Plan::everywhere(7, Some(Fault::FailsOnce)));
    valetkey::sweep::sweep(&blind, &refresh::LIMITS, &|| true).await.unwrap();
    for _ in 0..3 {
        machine.pass(3_700);
        machine.sweep().await;
    }
    let now = found(&machine).await;
    assert_eq!((now.valid, now.lease_owner.is_some(), now.predecessors.len()), (true, false, 0));
    assert_eq!(access_token(&machine.sound(), &now).await, "second");
}
