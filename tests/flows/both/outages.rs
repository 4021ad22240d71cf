//! Stores refuse writes while grants are due: nothing is lost that a store could have kept, and a vendor is asked no more
//! than can be kept.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use broker::Broker;
use broker::grant::keep;
use broker::grant::obtain::GrantSource;
use broker::grant::settings::Edit;
use broker::grant::sweep::sweep;
use broker::id::{InstanceId, UserId};
use broker::record::instance::{self, Instance};
use broker::record::unsaved::Unsaved;
use broker::store::secrets::TokenStore;
use tests::family::{Family, Habit, Trouble};
use tests::machine::{Machine, access_of, ask, consent_with, create, create_of};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;
use tests::{Status as _, until};

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

/// A process that lives on, and whose stores take no write from the vendor's next answer on, as long as `refuses` says.
fn refusing_what_comes_next(machine: &Machine, family: &Family, refuses: &Arc<AtomicBool>) -> Broker {
    let (books, before, refuses) = (family.clone(), family.asked(), Arc::clone(refuses));
    let plan = Plan::by(move |_, operation| {
        let refused = operation.is_write() && refuses.load(Ordering::SeqCst) && books.asked() > before;
        refused.then_some(Fault::Fails)
    });
    Broker { unsaved: Some(Unsaved::default()), ..machine.planned(&plan) }
}

#[tokio::test]
async fn a_process_that_lives_on_keeps_in_memory_what_the_table_does_not_take() {
    let (machine, family) = due(false).await;
    let (before, refuses) = (family.asked(), Arc::new(AtomicBool::new(true)));
    let broker = refusing_what_comes_next(&machine, &family, &refuses);
    let instance = instance(&machine, 1).await;
    let given = access_of(&ask(&broker, &instance).await.unwrap()).to_owned();
    assert_eq!((keep::save(&broker).await, family.asked() - before), (1, 1));
    machine.pass(30);
    assert_eq!(access_of(&ask(&broker, &instance).await.unwrap()), given, "everybody gets it");
    // Whoever asked looks dead in the table, and the old token is not sent again all the same.
    machine.pass(HAS_ENDED);
    let error = ask(&broker, &instance).await.err().unwrap();
    assert!(error.retry_after().is_some(), "it has expired: {error}");
    refuses.store(false, Ordering::SeqCst);
    assert_eq!((keep::save(&broker).await, family.asked() - before), (0, 1));
    assert_eq!((machine.access_token().await, lost(&machine, &family).await), (given, 0));
}

#[tokio::test]
async fn a_process_that_lives_on_holds_a_first_grant_and_a_new_consent_until_the_table_takes_them() {
    for is_consent in [false, true] {
        let (machine, family) = due(false).await;
        let refuses = Arc::new(AtomicBool::new(true));
        let broker = refusing_what_comes_next(&machine, &family, &refuses);
        let first = instance(&machine, 1).await;
        let keeping = async || {
            if is_consent {
                consent_with(&broker, &first, &repeated(), &Edit::default()).await
            } else {
                create_of(&broker, repeated()).await
            }
        };
        let made = async {
            let unsaved = broker.unsaved.as_ref().unwrap();
            until(async || unsaved.count() == 1).await;
            let again = keeping().await.unwrap_err();
            assert!(matches!(again.status().as_u16(), 409 | 503), "it is under way: {again}");
            // Whoever is at it looks dead in the table, and the sweep leaves it alone all the same.
            machine.pass(HAS_ENDED);
            refuses.store(false, Ordering::SeqCst);
            sweep(&broker, &sweep::LIMITS, &|| true).await.unwrap();
        };
        let (kept, ()) = tokio::join!(keeping(), made);
        let kept = kept.unwrap();
        assert_eq!(keeping().await.unwrap().id, kept.id, "a repeat gets the same");
        let live = ask(&machine.sound(), &instance(&machine, kept.id.0).await).await.unwrap();
        assert!(family.takes(access_of(&live)), "is a consent: {is_consent}");
        let exchanged = family.codes();
        assert_eq!((exchanged, family.reused()), (usize::try_from(DUE).unwrap() + 1, 0));
        assert_eq!(broker.unsaved.as_ref().unwrap().count(), 0);
    }
}

fn repeated() -> GrantSource {
    GrantSource::Code("repeated".to_owned().into(), None)
}

#[tokio::test]
async fn while_secrets_manager_takes_a_few_writes_at_a_time_no_refresh_waits_for_it() {
    const TAKEN: usize = 5;
    let (machine, family) = due(true).await;
    let (count, before) = (usize::try_from(DUE).unwrap(), family.asked());
    let mut passes = 0;
    loop {
        let taken = AtomicUsize::new(0);
        let throttles = Plan::by(move |_, operation| {
            let is_over = operation.is_vault_write() && taken.fetch_add(1, Ordering::SeqCst) >= TAKEN;
            is_over.then_some(Fault::FailsOnce)
        });
        sweep(&machine.planned(&throttles), &sweep::LIMITS, &|| true).await.unwrap();
        passes += 1;
        if passes == 1 {
            assert_eq!(family.asked() - before, count, "all are refreshed in the first pass");
        }
        let waiting = unsettled(&machine).await;
        if waiting == 0 {
            break;
        }
        assert!(passes < 2 * count.div_ceil(TAKEN), "{waiting} are left after {passes} passes");
        machine.pass(2);
    }
    assert!(passes >= count.div_ceil(TAKEN), "{passes} passes");
    assert_eq!((lost(&machine, &family).await, family.reused()), (0, 0));
}

#[tokio::test]
async fn due_refreshes_of_one_user_write_to_nothing_that_they_share() {
    for settles in [true, false] {
        let (machine, family) = due(settles).await;
        let shared = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&shared);
        let plan = Plan::by(move |_, operation| {
            if operation.is_write() && operation.name.starts_with("registry") && operation.of != "grant" {
                seen.lock().unwrap().insert(format!("{} {}", operation.name, operation.of));
            }
            None
        });
        let before = family.asked();
        sweep(&machine.planned(&plan), &sweep::LIMITS, &|| true).await.unwrap();
        assert_eq!(family.asked() - before, usize::try_from(DUE).unwrap());
        assert_eq!(*shared.lock().unwrap(), BTreeSet::new(), "each grant has a partition of its own");
    }
}

#[tokio::test]
async fn an_import_whose_answer_the_table_does_not_take_is_not_asked_for_again() {
    for keeps in [true, false] {
        let machine = Machine::new().await;
        let machine = if keeps { machine } else { machine.settling().await };
        let family = Family::new(Habit::Strict);
        let (books, answering) = (family.clone(), family.clone());
        machine.vendor.answers_by(move |request| answering.answer(request));
        // It takes no write of the grant until the request has given up, and then takes them again.
        let refused = AtomicUsize::new(0);
        let plan = Plan::by(move |_, operation| {
            let of_grant = operation.name == "registry update" && operation.of == "grant";
            let is_refused = of_grant && books.asked() > 0 && refused.fetch_add(1, Ordering::SeqCst) < 3;
            is_refused.then_some(Fault::FailsOnce)
        });
        let unsaved = keeps.then(Unsaved::default);
        let broker = Broker { unsaved, ..machine.planned(&plan) };
        let token = family.grants_elsewhere().1;
        let brought = || GrantSource::RefreshToken(token.clone().into());
        let error = create_of(&broker, brought()).await.unwrap_err();
        assert_eq!(error.status().as_u16(), 409, "it is under way: {error}");
        machine.pass(HAS_ENDED);
        keep::save(&broker).await;
        machine.sweep().await;
        create_of(&broker, brought()).await.unwrap();
        assert_eq!(family.asked(), 1, "keeps in memory: {keeps}");
        let live = ask(&broker, &machine.only().await).await.unwrap();
        assert!(family.takes(access_of(&live)) && family.reused() == 0);
    }
}

#[tokio::test]
async fn refreshes_that_were_given_back_cost_nothing_when_a_later_one_is_in_doubt() {
    let (machine, family) = due(true).await;
    let (broker, before) = (machine.sound(), family.asked());
    let instance = instance(&machine, 1).await;
    for _ in 0..20 {
        family.trouble(Trouble::Maintenance);
        drop(ask(&broker, &instance).await);
        machine.pass(10);
    }
    family.trouble(Trouble::HangsUp);
    drop(ask(&broker, &instance).await);
    machine.pass(HAS_ENDED);
    let looked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&looked);
    let plan = Plan::by(move |_, operation| {
        seen.fetch_add(usize::from(operation.name == "vault get"), Ordering::SeqCst);
        None
    });
    ask(&machine.planned(&plan), &instance).await.unwrap();
    assert_eq!(family.asked() - before, 22);
    assert_eq!(looked.load(Ordering::SeqCst), 2, "the token itself, and the one in doubt");
    assert_eq!((lost(&machine, &family).await, family.reused()), (0, 0));
}

#[tokio::test]
async fn a_token_store_that_is_switched_back_half_way_is_finished() {
    let (machine, family) = due(true).await;
    let to_table = || Broker { token_store: TokenStore::Table, ..machine.sound() };
    sweep(&to_table(), &sweep::LIMITS, &|| true).await.unwrap();
    machine.pass(2);
    sweep(&to_table(), &sweep::LIMITS, &|| true).await.unwrap();
    assert_eq!(unsettled(&machine).await, usize::try_from(DUE).unwrap());
    for _ in 0..3 {
        machine.pass(900);
        machine.sweep().await;
    }
    assert_eq!((unsettled(&machine).await, lost(&machine, &family).await, family.reused()), (0, 0, 0));
}
