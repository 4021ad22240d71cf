//! What is told of an instance's life: each event once, with its metric, its element and its instance.

use broker::grant::delete;
use broker::grant::settings::{self, Edit};
use tests::Status as _;
use tests::machine::{Machine, SECOND, ask, consent, create, deadline, set};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;

const LIVES: &str = "lifetime = 3888000";

async fn ask_late(machine: &Machine) {
    machine.pass(61);
    drop(ask(&machine.sound(), &machine.instance().await).await);
}

#[tokio::test]
async fn a_life_is_told_event_by_event() {
    let (told, _guard) = Told::listen();
    let machine = Machine::with(LIVES).await;
    create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    ask_late(&machine).await;
    consent(&machine.sound(), &machine.instance().await).await.unwrap();
    let rename = Edit { name: Some("Another".into()), ..Edit::default() };
    let broker = machine.sound();
    settings::change(&broker, machine.instance().await, &rename, deadline(&broker)).await.unwrap();
    delete::remove(&machine.sound(), &machine.instance().await).await.unwrap();
    assert_eq!(
        told.metrics(),
        ["InstanceCreated", "GrantRefreshed", "InstanceReauthenticated", "InstanceDeleted"]
    );
    assert_eq!(told.values("instance"), ["1"; 4]);
    assert_eq!(told.values("user"), ["1"; 4]);
    assert!(told.values("element").iter().all(|element| element == "faulty"));
}

#[tokio::test]
async fn every_failure_is_told_by_its_class() {
    for (status, answer, metrics, class) in [
        ("500 Failed", "{}", &["VendorFailed", "RefreshFailed", "GrantInDoubt"][..], Some("failed")),
        ("429 Too Many Requests", "{}", &["VendorFailed", "RefreshFailed"], Some("busy")),
        ("400 Bad Request", r#"{"error":"odd"}"#, &["RefreshFailed"], Some("refused")),
        ("200 OK", "<html>", &["VendorFailed", "RefreshFailed", "GrantInDoubt"], Some("failed")),
        ("504 Gateway Timeout", "", &["VendorFailed", "RefreshFailed", "GrantInDoubt"], Some("failed")),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, &["ClientRefused"], None),
        ("400 Bad Request", r#"{"error":"invalid_grant"}"#, &["GrantDead"], None),
    ] {
        let machine = Machine::with(LIVES).await;
        create(&machine.sound()).await.unwrap();
        let (told, _guard) = Told::listen();
        machine.vendor.answers(status, "", answer);
        ask_late(&machine).await;
        assert_eq!(told.metrics(), metrics, "{status} {answer}");
        assert_eq!(told.values("class").first().map(String::as_str), class, "{status} {answer}");
    }
}

#[tokio::test]
async fn what_the_sweep_finds_is_told() {
    let (told, _guard) = Told::listen();
    let machine = Machine::with(LIVES).await;
    create(&machine.sound()).await.unwrap();
    machine.vendor.answers("429 Too Many Requests", "", "{}");
    machine.pass(3_888_000 - 6 * 86_400);
    machine.sweep().await;
    assert_eq!((told.count("RefreshFailed"), told.count("GrantExpiring")), (1, 1));
    assert_eq!(told.values("seconds"), [(6 * 86_400).to_string()]);
    let oldest: i64 = told.values("seconds.OldestDue")[0].parse().unwrap();
    assert!(oldest > 86_400, "it has been due since half of its life was over: {oldest}");
}

#[tokio::test]
async fn a_vendor_that_does_not_revoke_is_told_of_and_the_instance_is_gone() {
    let machine = Machine::new().await;
    let made = create(&machine.sound()).await.unwrap();
    let (told, _guard) = Told::listen();
    machine.vendor.answers("500 Failed", "", "{}");
    delete::remove(&machine.sound(), &made).await.unwrap();
    assert_eq!(told.metrics(), ["InstanceDeleted", "VendorFailed", "GrantUnrevoked"]);
    assert!(machine.record().await.is_none());
}

#[tokio::test]
async fn a_grant_that_is_not_kept_at_once_is_told_of() {
    let machine = Machine::new().await;
    create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    machine.pass(61);
    let (told, _guard) = Told::listen();
    let broker = machine.planned(&Plan::at("registry update", 2, Fault::Fails));
    let asked = ask(&broker, &machine.instance().await).await;
    assert_eq!(asked.err().unwrap().status(), 500);
    let refused = told.count("TableRefused");
    assert!(refused > 1, "the write is repeated");
    assert_eq!(told.metrics().len(), refused + 1);
    assert_eq!(told.count("GrantNotSaved"), 1);
}

#[tokio::test]
async fn an_old_refusal_does_not_overrule_a_correction_meanwhile() {
    // Before the refusal is written down, before lists are told of it, and before it is taken off the agenda.
    for (turn, told_of) in [(3, &["GrantRefreshed"][..]), (6, &["GrantDead", "GrantRefreshed"])] {
        let machine = Machine::new().await;
        create(&machine.sound()).await.unwrap();
        machine.pass(61);
        let (told, _guard) = Told::listen();
        // The vendor refuses; before that is written down, the configuration is corrected.
        machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
        let plan = Plan::nth(turn, Fault::StopBefore);
        let (broker, seen) = (machine.planned(&plan), machine.instance().await);
        let mut asking = Box::pin(ask(&broker, &seen));
        plan.stops_in(&mut asking).await;
        let other = "https://example.com/other";
        set(&machine.sound(), &machine.instance().await, "oauth.callback.url", other).await.unwrap();
        machine.vendor.answers("200 OK", "", SECOND);
        plan.wake();
        asking.await.unwrap();
        let account = machine.account().await;
        assert_eq!((account.is_dead(), account.grant.asking_owner, account.grant.number), (false, None, 2));
        assert_eq!(told.metrics(), told_of, "turn {turn}: {:?}", plan.made());
    }
}
