//! What whoever takes the place of another finds and does: after a death, and when the one before wakes late.

use broker::grant::delete;
use broker::grant::settings::Edit;
use broker::record::grant::Asking;
use tests::Status as _;
use tests::machine::{Machine, SECOND, ask, code, consent, consent_with, create, set};
use tests::stores::plan::{Fault, Plan};

/// Whoever was asking the vendor has certainly ended after this.
const HAS_ENDED: i64 = 400;

/// Until the vendor's access tokens have expired, in seconds.
const EXPIRED: i64 = 61;

fn numbered(number: usize) -> String {
    SECOND.replace("second", &format!("access{number}")).replace("refresh2", &format!("refresh{number}"))
}

#[tokio::test]
async fn a_refused_consent_leaves_the_old_grant_and_ends_its_slot_and_a_doubtful_one_leaves_the_slot() {
    for (status, next) in [("400 Bad Request", 200), ("429 Too Many Requests", 200), ("500 Failed", 409)] {
        let machine = Machine::new().await;
        let broker = machine.sound();
        let made = create(&broker).await.unwrap();
        machine.vendor.answers(status, "", r#"{"error":"invalid_grant"}"#);
        consent(&broker, &made).await.unwrap_err();
        assert_eq!(machine.access_token().await, "access", "{status}");
        machine.vendor.answers("200 OK", "", SECOND);
        let another = consent(&broker, &machine.instance().await).await;
        let outcome = another.as_ref().map_or_else(|error| error.status().as_u16(), |_| 200);
        assert_eq!(outcome, next, "{status}: {another:?}");
        machine.pass(HAS_ENDED);
        consent(&broker, &machine.instance().await).await.unwrap();
        assert_eq!(machine.access_token().await, "second", "{status}");
    }
}

#[tokio::test]
async fn an_instance_that_is_deleted_meanwhile_keeps_no_grant_anywhere() {
    // Before the vendor's answer is stored.
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    let broker = machine.planned(&plan);
    let mut consenting = Box::pin(consent(&broker, &made));
    plan.stops_in(&mut consenting).await;
    delete::remove(&machine.sound(), &machine.instance().await).await.unwrap();
    plan.wake();
    assert_eq!(consenting.await.unwrap_err().status(), 404);
    assert_eq!(machine.asked(), (2, 2), "the old grant and the new are revoked");
    assert!(machine.record().await.is_none() && machine.grant().await.is_none());
}

#[tokio::test]
async fn a_holder_that_was_taken_for_dead_stores_what_it_has_and_the_one_after_it_wins() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(EXPIRED);
    machine.vendor.answers("200 OK", "", &numbered(2));
    let late = machine.planned(&plan);
    let mut asking = Box::pin(ask(&late, &made));
    plan.stops_in(&mut asking).await;
    machine.pass(HAS_ENDED);
    // Another takes its place, and stands still with its answer too.
    let (other, next) = (Plan::at("registry update", 2, Fault::StopBefore), numbered(3));
    machine.vendor.answers("200 OK", "", &next);
    let broker = machine.planned(&other);
    let seen = machine.instance().await;
    let mut taking_over = Box::pin(ask(&broker, &seen));
    other.stops_in(&mut taking_over).await;
    plan.wake();
    asking.await.unwrap();
    let grant = machine.grant().await.unwrap();
    assert_eq!(
        (grant.number, grant.asking(machine.clock.now())),
        (1, Asking::Running),
        "it stores, and no more"
    );
    other.wake();
    taking_over.await.unwrap();
    let grant = machine.grant().await.unwrap();
    assert_eq!((grant.number, grant.last, grant.asking_owner), (2, 2, None));
    assert_eq!(machine.access_token().await, "access3");
}

#[tokio::test]
async fn an_answer_that_comes_when_a_newer_one_is_stored_is_dropped() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(EXPIRED);
    machine.vendor.answers("200 OK", "", &numbered(2));
    let late = machine.planned(&plan);
    let mut asking = Box::pin(ask(&late, &made));
    plan.stops_in(&mut asking).await;
    machine.pass(HAS_ENDED);
    machine.vendor.answers("200 OK", "", &numbered(3));
    ask(&machine.sound(), &machine.instance().await).await.unwrap();
    plan.wake();
    asking.await.unwrap();
    assert_eq!(
        (machine.access_token().await.as_str(), machine.grant().await.unwrap().number),
        ("access3", 2)
    );
}

#[tokio::test]
async fn tokens_that_were_left_in_secrets_manager_are_found_by_whoever_comes_next() {
    let machine = Machine::with("warm = true").await.settling().await;
    let made = create(&machine.sound()).await.unwrap();
    assert_eq!(machine.grant().await.unwrap().sealed, None, "they rest in Secrets Manager");
    machine.pass(EXPIRED);
    machine.vendor.answers("200 OK", "", &numbered(2));
    // The table takes nothing more once the vendor has answered.
    let plan = Plan::at_of("registry update", "grant", 2, Fault::Fails);
    let live = ask(&machine.planned(&plan), &made).await.unwrap();
    assert_eq!(tests::machine::access_of(&live), "access2", "whoever asked gets the new token");
    assert_eq!(machine.asked().0, 2);
    machine.pass(HAS_ENDED);
    machine.vendor.answers("200 OK", "", &numbered(3));
    machine.sweep().await;
    assert_eq!(
        (machine.grant().await.unwrap().number, machine.asked().0),
        (1, 2),
        "it is found, not asked for"
    );
    machine.sweep().await;
    ask(&machine.sound(), &machine.instance().await).await.unwrap();
    let sent = machine.vendor.requests().pop().unwrap();
    assert!(sent.contains("refresh_token=refresh2"), "{sent}");
}

#[tokio::test]
async fn a_deletion_ends_the_newest_grant_also_one_that_was_left_in_secrets_manager() {
    let machine = Machine::new().await.settling().await;
    let made = create(&machine.sound()).await.unwrap();
    machine.pass(EXPIRED);
    machine.vendor.answers("200 OK", "", &numbered(2));
    let plan = Plan::at_of("registry update", "grant", 2, Fault::Fails);
    ask(&machine.planned(&plan), &made).await.unwrap();
    delete::remove(&machine.sound(), &made).await.unwrap();
    let sent = machine.vendor.requests().pop().unwrap();
    assert!(sent.starts_with("POST /revoke ") && sent.contains("token=refresh2"), "{sent}");
    let asked = machine.asked();
    machine.pass(HAS_ENDED);
    machine.sweep().await;
    assert!(machine.record().await.is_none() && machine.grant().await.is_none());
    assert_eq!(machine.asked(), asked, "it is revoked once");
}

#[tokio::test]
async fn a_consent_whose_settings_were_not_written_asks_nothing_until_its_owner_sends_them_again() {
    let machine = Machine::new().await;
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    let client = [("oauth.api.key", "another-key"), ("oauth.api.secret", "another-secret")];
    let pairs = client.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    let edit = Edit { configuration: Some(pairs.into()), ..Edit::default() };
    // Dies when the new tokens are stored, before the settings are.
    let plan = Plan::at("registry update", 3, Fault::StopBefore);
    plan.stops_in(consent_with(&machine.planned(&plan), &made, &code(), &edit)).await;
    machine.pass(EXPIRED);
    let asked = machine.asked();
    let error = ask(&machine.sound(), &machine.instance().await).await.err().unwrap();
    assert!(error.status() == 409 && error.to_string().contains("oauth.api.key"), "{error}");
    assert_eq!(machine.asked(), asked, "the vendor would refuse the old client");
    for (key, value) in client {
        set(&machine.sound(), &machine.instance().await, key, value).await.unwrap();
    }
    ask(&machine.sound(), &machine.instance().await).await.unwrap();
}
