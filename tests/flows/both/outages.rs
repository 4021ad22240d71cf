//! Stores refuse writes while grants are due: nothing is lost that a store could have kept, and a vendor is asked no more
//! than can be kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::Broker;
use broker::grant::sweep::sweep;
use broker::grant::take;
use broker::id::{InstanceId, UserId};
use broker::record::instance::{self, Instance};
use broker::record::unsaved::Unsaved;
use tests::family::{Family, Habit};
use tests::machine::{Machine, access_of, ask, create};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;

/// How many grants are due.
const DUE: u64 = 24;

/// Until the vendor's access tokens have expired, in seconds.
const EXPIRED: i64 = 61;

/// Whoever was asking the vendor has certainly ended after this.
const HAS_ENDED: i64 = 400;

/// Makes instances at a vendor that forgives nothing, whose tokens have expired.
async fn due(settles: bool) -> (Machine, Family) {
    let mut machine = Machine::with("warm = true").await;
    if settles {
        machine = machine.settling().await;
    }
    let family = Family::new(Habit::Strict);
    let books = family.clone();
    machine.vendor.answers_by(move |request| books.answer(request));
    let broker = machine.sound();
    for _ in 0..DUE {
        create(&broker).await.unwrap();
    }
    // A grant is moved at most once in a quarter of an hour.
    machine.pass(900.max(EXPIRED));
    (machine, family)
}

async fn instance(machine: &Machine, id: u64) -> Instance {
    instance::find(&machine.registry, UserId(1), InstanceId(id)).await.unwrap().unwrap()
}

/// Counts the grants that give no token any more.
async fn lost(machine: &Machine, family: &Family) -> u64 {
    let (broker, mut lost) = (machine.sound(), 0);
    for id in 1..=DUE {
        let live = ask(&broker, &instance(machine, id).await).await;
        lost += u64::from(!live.is_ok_and(|live| family.takes(access_of(&live))));
    }
    lost
}

/// Counts the grants whose tokens wait in the table to be moved.
async fn unsettled(machine: &Machine) -> usize {
    let mut waiting = 0;
    for id in 1..=DUE {
        waiting += usize::from(machine.grant_of(InstanceId(id)).await.unwrap().sealed.is_some());
    }
    waiting
}

#[tokio::test]
async fn while_secrets_manager_refuses_refreshes_go_on_and_all_is_moved_afterwards() {
    let (machine, family) = due(true).await;
    assert_eq!(unsettled(&machine).await, 0);
    let refuses = Plan::by(|_, operation| operation.is_vault_write().then_some(Fault::Fails));
    let (broker, (told, guard)) = (machine.planned(&refuses), Told::listen());
    for id in 1..=DUE / 2 {
        ask(&broker, &instance(&machine, id).await).await.unwrap();
    }
    sweep(&broker, &sweep::LIMITS, &|| true).await.unwrap();
    drop(guard);
    let count = usize::try_from(DUE).unwrap();
    assert_eq!((told.count("GrantRefreshed"), unsettled(&machine).await), (count, count));
    let tried = told.count("SettleFailed");
    assert!((1..5).contains(&tried), "it is left alone for a while: {tried}");
    machine.pass(900);
    machine.sweep().await;
    machine.pass(900);
    machine.sweep().await;
    assert_eq!((unsettled(&machine).await, lost(&machine, &family).await, family.reused()), (0, 0, 0));
}

#[tokio::test]
async fn a_table_that_refuses_what_follows_the_take_stops_the_asking_and_secrets_manager_keeps_the_answer() {
    for settles in [true, false] {
        let (machine, family) = due(settles).await;
        let (books, before) = (family.clone(), family.asked());
        // It refuses every write of a grant from the vendor's first answer on.
        let refuses = Plan::by(move |_, operation| {
            let of_grant = operation.name == "registry update" && operation.of == "grant";
            (of_grant && books.asked() > before).then_some(Fault::Fails)
        });
        let (broker, (told, guard)) = (machine.planned(&refuses), Told::listen());
        sweep(&broker, &sweep::LIMITS, &|| true).await.unwrap();
        // Nobody waits any more for the one who is asking.
        machine.pass(29);
        for id in 1..=DUE {
            drop(ask(&broker, &instance(&machine, id).await).await);
        }
        drop(guard);
        assert_eq!(family.asked() - before, 1, "nobody else was asking when the table refused");
        let kept = usize::from(settles);
        assert_eq!((told.count("GrantLeftInVault"), told.count("GrantNotSaved")), (kept, 1 - kept));
        machine.pass(HAS_ENDED);
        machine.sweep().await;
        machine.sweep().await;
        assert_eq!(lost(&machine, &family).await, u64::from(!settles), "settles: {settles}");
    }
}

#[tokio::test]
async fn a_table_that_takes_no_writes_at_all_lets_nobody_ask_the_vendor() {
    let (machine, family) = due(false).await;
    let before = family.asked();
    let refuses = Plan::by(|_, operation| operation.is_write().then_some(Fault::Fails));
    let broker = machine.planned(&refuses);
    for id in 1..=3 {
        let error = ask(&broker, &instance(&machine, id).await).await.err().unwrap();
        assert!(error.retry_after().is_some(), "{error}");
    }
    assert_eq!(family.asked(), before);
    assert_eq!(lost(&machine, &family).await, 0);
}

#[tokio::test]
async fn a_process_that_lives_on_keeps_in_memory_what_the_table_does_not_take() {
    let (machine, family) = due(false).await;
    let (refuses, before) = (Arc::new(AtomicBool::new(true)), family.asked());
    let (books, refusing) = (family.clone(), Arc::clone(&refuses));
    let plan = Plan::by(move |_, operation| {
        let refused = operation.is_write() && refusing.load(Ordering::SeqCst) && books.asked() > before;
        refused.then_some(Fault::Fails)
    });
    let broker = Broker { unsaved: Some(Unsaved::default()), ..machine.planned(&plan) };
    let instance = instance(&machine, 1).await;
    let given = access_of(&ask(&broker, &instance).await.unwrap()).to_owned();
    assert_eq!((take::save(&broker).await, family.asked() - before), (1, 1));
    // Whoever asked looks dead in the table, and everybody still gets what the vendor gave.
    machine.pass(HAS_ENDED);
    assert_eq!(access_of(&ask(&broker, &instance).await.unwrap()), given);
    refuses.store(false, Ordering::SeqCst);
    assert_eq!((take::save(&broker).await, family.asked() - before), (0, 1));
    assert_eq!((machine.access_token().await, lost(&machine, &family).await), (given, 0));
}
