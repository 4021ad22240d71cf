//! What another holder of a lease finds and does: after a death, and when the one before wakes late.

use std::collections::BTreeMap;

use broker::Broker;
use broker::grant::delete;
use broker::grant::reauthenticate::Revision;
use broker::record::instance::Instance;
use secrecy::ExposeSecret;
use tests::Status as _;
use tests::machine::{Machine, SECOND, ask, change, code, consent, create, rekey};
use tests::stores::plan::{Fault, Plan};

/// Longer than a lease lasts, with what the clocks may differ.
const LEASE_IS_DEAD: i64 = 400;

async fn access_token(broker: &Broker, instance: &Instance) -> String {
    broker.grant(instance).await.unwrap().unwrap().tokens.access_token.expose_secret().to_owned()
}

#[tokio::test]
async fn a_refused_or_doubtful_consent_gives_the_lease_back() {
    for status in ["400 Bad Request", "500 Failed", "429 Too Many Requests"] {
        let machine = Machine::new().await;
        let broker = machine.sound();
        let made = create(&broker).await.unwrap();
        machine.vendor.answers(status, "", r#"{"error":"invalid_grant"}"#);
        consent(&broker, &made).await.unwrap_err();
        let left = machine.instance().await;
        assert_eq!((left.lease_owner.as_ref(), left.valid), (None, true), "{status}");
        assert_eq!(access_token(&broker, &left).await, "access");
        rekey(&broker, &left).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_is_deleted_meanwhile_keeps_no_grant_anywhere() {
    let (machine, plan) = (Machine::new().await, Plan::at("vault put", 1, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    // The first process stands still before it stores; the instance is deleted; then another that holds
    // the same lease would go on, which is what a process that wakes up late does.
    let broker = machine.planned(&plan);
    let mut consenting = Box::pin(consent(&broker, &made));
    plan.stops_in(&mut consenting).await;
    delete::remove(&machine.sound(), &machine.instance().await).await.unwrap();
    plan.wake();
    let error = consenting.await.unwrap_err();
    assert_eq!(error.status(), 404);
    assert_eq!(machine.asked(), (2, 2), "the old grant and the new are revoked");
    assert!(machine.record().await.is_none());
}

#[tokio::test]
async fn a_new_consent_that_died_half_way_revives_a_dead_grant() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(61);
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    assert_eq!(ask(&machine.sound(), &made).await.err().unwrap().status(), 409);
    let dead = machine.instance().await;
    assert!(!dead.valid);
    machine.vendor.answers("200 OK", "", SECOND);
    let broker = machine.planned(&plan);
    plan.stops_in(consent(&broker, &dead)).await;
    machine.pass(LEASE_IS_DEAD);
    let revived = rekey(&machine.sound(), &machine.instance().await).await.unwrap();
    assert!(revived.valid && revived.in_doubt.is_none(), "the record knows of the grant that was found");
    assert_eq!(access_token(&machine.sound(), &revived).await, "second");
}

#[tokio::test]
async fn a_deletion_ends_the_newest_grant_also_one_that_a_dead_holder_stored() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    let broker = machine.planned(&plan);
    plan.stops_in(consent(&broker, &made)).await;
    // Asked with what was seen before all that.
    delete::remove(&machine.sound(), &made).await.unwrap();
    let sent = machine.vendor.requests().pop().unwrap();
    assert!(sent.starts_with("POST /revoke ") && sent.contains("token=refresh2"), "{sent}");
    assert!(machine.record().await.is_none());
}

#[tokio::test]
async fn a_secret_that_changes_too_often_is_refused_before_the_vendor_is_asked() {
    let machine = Machine::new().await;
    let broker = machine.sound();
    let mut instance = create(&broker).await.unwrap();
    let mut written = 0;
    let refused = loop {
        match rekey(&broker, &instance).await {
            Ok(changed) => instance = changed,
            Err(error) => break error,
        }
        written += 1;
        assert!(written < 100, "Secrets Manager keeps no more");
    };
    assert_eq!(refused.status().as_u16(), 429);
    let wait = refused.retry_after().unwrap();
    let asked = machine.asked();
    assert_eq!(consent(&broker, &instance).await.unwrap_err().status().as_u16(), 429);
    assert_eq!(machine.asked(), asked, "no code is spent");
    machine.pass(i64::try_from(wait).unwrap());
    rekey(&broker, &instance).await.unwrap();
}

#[tokio::test]
async fn a_holder_that_wakes_late_says_so_and_what_it_stored_is_found_when_no_other_has_written() {
    for another_writes in [true, false] {
        let (machine, plan) = (Machine::new().await, Plan::at("vault put", 1, Fault::StopBefore));
        let made = create(&machine.sound()).await.unwrap();
        machine.vendor.answers("200 OK", "", SECOND);
        let broker = machine.planned(&plan);
        let mut consenting = Box::pin(consent(&broker, &made));
        plan.stops_in(&mut consenting).await;
        machine.pass(LEASE_IS_DEAD);
        let sound = machine.sound();
        if another_writes {
            rekey(&sound, &machine.instance().await).await.unwrap();
        } else {
            // It takes the lease over, is refused by the vendor, and gives it back.
            machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
            consent(&sound, &machine.instance().await).await.unwrap_err();
        }
        plan.wake();
        assert_eq!(consenting.await.unwrap_err().status(), 500);
        let again = rekey(&sound, &machine.instance().await).await.unwrap();
        assert_eq!(access_token(&sound, &again).await, if another_writes { "access" } else { "second" });
        assert_eq!(machine.instance().await.lease_owner, None);
    }
}

#[tokio::test]
async fn a_new_consent_that_died_half_way_brings_its_configuration_along() {
    const ELSEWHERE: &str = "https://app.example.com/another";
    let callback = |instance: &Instance| instance.configuration["oauth.callback.url"].clone();
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(1);
    machine.vendor.answers("200 OK", "", SECOND);
    let broker = machine.planned(&plan);
    let configuration = BTreeMap::from([("oauth.callback.url".to_owned(), Some(ELSEWHERE.to_owned()))]);
    let revision =
        Revision { proof: Some(code()), configuration: Some(configuration), ..Revision::default() };
    plan.stops_in(change(&broker, &made, revision)).await;
    assert_eq!(callback(&machine.instance().await), callback(&made));
    // Somebody renames it meanwhile, which needs no lease.
    let rename = Revision { name: Some("Renamed".into()), ..Revision::default() };
    change(&machine.sound(), &machine.instance().await, rename).await.unwrap();
    machine.pass(LEASE_IS_DEAD);
    machine.sweep().await;
    let now = machine.instance().await;
    assert_eq!(
        (callback(&now).as_deref(), now.name.as_str(), now.lease_owner),
        (Some(ELSEWHERE), "Renamed", None)
    );
}

#[tokio::test]
async fn a_consent_that_was_stored_is_found_although_the_grant_is_dead_and_a_takeover_failed() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(61);
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    assert_eq!(ask(&machine.sound(), &made).await.err().unwrap().status(), 409);
    machine.vendor.answers("200 OK", "", SECOND);
    let dead = machine.instance().await;
    plan.stops_in(consent(&machine.planned(&plan), &dead)).await;
    machine.pass(LEASE_IS_DEAD);
    // The sweep takes the lease over and cannot read the vault: its first look fails.
    let blind = machine.planned(&Plan::at("vault get", 1, Fault::FailsOnce));
    broker::grant::sweep::sweep(&blind, &sweep::LIMITS, &|| true).await.unwrap();
    for _ in 0..3 {
        machine.pass(3_700);
        machine.sweep().await;
    }
    let now = machine.instance().await;
    assert_eq!((now.valid, now.lease_owner.is_some(), now.predecessors.len()), (true, false, 0));
    assert_eq!(access_token(&machine.sound(), &now).await, "second");
}
