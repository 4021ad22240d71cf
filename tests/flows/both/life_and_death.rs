//! An instance is made and deleted while stores fail, replies are lost, and the process dies at every
//! write. The stores are the embedded ones; the vendor is a server that counts its requests.

use tests::machine::{Machine, create, create_of};
use tests::suites::faulty::{Fault, Plan};
use tests::suites::lossy::Lossy;
use valetkey::instance::{self, State};
use valetkey::redeem::Proof;
use valetkey::registry::Registry;
use valetkey::removal;
use valetkey::vault::Vault;

/// The writes of a creation: the counter, the pending record, the secret, the commit.
const CREATION: usize = 4;
/// The write that puts the grant into the vault.
const SECRET: usize = 3;
/// The writes of a deletion: the mark, the secret, the record.
const DELETION: usize = 3;

#[tokio::test]
async fn a_creation_takes_four_writes_and_one_exchange() {
    let machine = Machine::new().await;
    let plan = Plan::new(0, None);
    create(&machine.planned(&plan)).await.unwrap();
    assert_eq!((plan.writes(), machine.asked()), (CREATION, (1, 0)));
}

#[tokio::test]
async fn a_death_at_any_write_of_a_creation_leaves_nothing_half_visible() {
    for turn in 1..=CREATION {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(fault)));
            let app = machine.planned(&plan);
            plan.dies_in(create(&app)).await;
            let done = if fault == Fault::DeathAfter { turn } else { turn - 1 };
            assert_eq!(machine.visible().await, usize::from(done == CREATION), "{done} writes");
            assert_eq!(machine.asked().0, usize::from(turn >= SECRET), "{fault:?} {turn}");
            let Some(record) = machine.record().await else {
                assert!(done < 2, "the record names what is left after {done} writes");
                continue;
            };
            let version = record.version.clone().or(record.lease_owner.clone()).unwrap();
            let kept = machine.vault.get(&record.secret, &version).await.unwrap();
            assert_eq!(kept.is_some(), done >= SECRET, "the record leads to the grant after {done} writes");
            assert_eq!(record.state == State::Live, done == CREATION);
        }
    }
}

#[tokio::test]
async fn lost_replies_change_nothing() {
    let machine = Machine::new().await;
    let app = machine.app(machine.vault.clone(), Lossy(machine.registry.clone()));
    let made = create(&app).await.unwrap();
    assert_eq!((made.state, machine.visible().await, machine.asked()), (State::Live, 1, (1, 0)));
    assert!(app.grant(&made).await.unwrap().is_some());
    removal::remove(&app, &made).await.unwrap();
    assert!(machine.registry.get(&instance::key(1, made.id)).await.unwrap().is_none());
    assert_eq!(machine.asked(), (1, 1));
}

#[tokio::test]
async fn a_store_that_fails_once_after_the_exchange_costs_nothing() {
    for turn in [SECRET, CREATION] {
        let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(Fault::FailsOnce)));
        let app = machine.planned(&plan);
        let made = create(&app).await.unwrap();
        assert!(app.grant(&made).await.unwrap().is_some());
        assert_eq!((machine.visible().await, machine.asked()), (1, (1, 0)));
    }
}

#[tokio::test]
async fn a_grant_that_cannot_be_kept_is_revoked_and_the_caller_told_to_ask_again() {
    let (machine, plan) = (Machine::new().await, Plan::new(SECRET, Some(Fault::Fails)));
    let error = create(&machine.planned(&plan)).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.retry_after()), (500, None), "the code is spent");
    assert!(error.to_string().contains("consent again"), "{error}");
    assert_eq!((machine.visible().await, machine.asked()), (0, (1, 1)));
    assert_eq!(machine.record().await.unwrap().state, State::Pending, "the loss can be reported");
}

#[tokio::test]
async fn a_store_that_fails_before_the_exchange_spends_no_code() {
    for turn in 1..SECRET {
        let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(Fault::Fails)));
        let error = create(&machine.planned(&plan)).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.retry_after()), (503, Some(1)), "it can be tried again");
        assert_eq!(machine.asked(), (0, 0));
    }
}

#[tokio::test]
async fn a_refused_exchange_leaves_no_record_and_a_doubtful_one_does() {
    for (status, headers, left) in [
        ("400 Bad Request", "", false),
        ("429 Too Many Requests", "", false),
        ("503 Unavailable", "", true),
        ("500 Failed", "", true),
    ] {
        let machine = Machine::new().await;
        machine.vendor.answers(status, headers, r#"{"error":"invalid_grant"}"#);
        create(&machine.app(machine.vault.clone(), machine.registry.clone())).await.unwrap_err();
        assert_eq!(machine.record().await.is_some(), left, "{status}");
        assert_eq!(machine.visible().await, 0);
    }
}

#[tokio::test]
async fn a_death_at_any_write_of_a_deletion_leaves_the_instance_whole_or_gone() {
    for turn in 1..=DELETION {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (machine, plan) = (Machine::new().await, Plan::new(turn, Some(fault)));
            let made = create(&machine.app(machine.vault.clone(), machine.registry.clone())).await.unwrap();
            let app = machine.planned(&plan);
            plan.dies_in(removal::remove(&app, &made)).await;
            let done = if fault == Fault::DeathAfter { turn } else { turn - 1 };
            assert_eq!(machine.visible().await, usize::from(done == 0));
            let kept = machine.vault.get(&made.secret, made.version.as_deref().unwrap()).await.unwrap();
            assert_eq!(kept.is_some(), done < 2);
            assert_eq!(machine.record().await.is_some(), done < DELETION, "the record names what is left");
            assert_eq!(machine.asked().1, usize::from(turn > 1), "it is revoked before it is forgotten");
        }
    }
}

#[tokio::test]
async fn a_grant_that_was_brought_along_is_not_revoked_when_it_cannot_be_kept() {
    let (machine, plan) = (Machine::new().await, Plan::new(SECRET, Some(Fault::Fails)));
    let token = Proof::AccessToken("brought".to_owned().into());
    create_of(&machine.planned(&plan), token).await.unwrap_err();
    assert_eq!(machine.asked(), (0, 0), "it is the caller's, and works on");
}
