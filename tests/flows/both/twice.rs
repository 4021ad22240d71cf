//! A code, or a token that was brought along, is sent to the vendor once, however often it comes. The vendor here ends what
//! it gave for a code that comes twice (RFC 6749 section 10.5).

use std::sync::atomic::{AtomicBool, Ordering};

use broker::Error;
use broker::grant::delete;
use broker::grant::obtain::GrantSource;
use broker::grant::settings::Edit;
use broker::id::UserId;
use broker::record::instance::Instance;
use tests::Status as _;
use tests::family::{Family, Habit};
use tests::machine::{Machine, ask, consent_with, create, create_as, create_of};
use tests::stores::plan::{Fault, Plan};

fn code() -> GrantSource {
    GrantSource::Code("the code".to_owned().into(), None)
}

async fn started() -> (Machine, Family) {
    let (machine, family) = (Machine::new().await, Family::new(Habit::Strict));
    let books = family.clone();
    machine.vendor.answers_by(move |request| books.answer(request));
    (machine, family)
}

/// Tells how a request ended: with which instance, or with what status.
fn ended(outcome: &Result<Instance, Error>) -> Result<u64, u16> {
    outcome.as_ref().map(|made| made.id.0).map_err(|error| error.status().as_u16())
}

/// Checks that there is one living instance, and that the vendor was asked so often for tokens.
async fn one_lives(machine: &Machine, family: &Family, asked: usize) {
    assert_eq!((machine.visible().await, machine.asked()), (1, (asked, 0)));
    let live = ask(&machine.sound(), &machine.only().await).await.unwrap();
    assert!(family.takes(tests::machine::access_of(&live)) && family.reused() == 0, "it lives");
}

#[tokio::test]
async fn a_double_click_makes_one_exchange_and_the_repeat_gets_the_same_instance() {
    let (machine, family) = started().await;
    let brokers: Vec<_> = (0..8).map(|_| machine.sound()).collect();
    let outcomes =
        futures_util::future::join_all(brokers.iter().map(|broker| create_of(broker, code()))).await;
    let outcomes: Vec<_> = outcomes.iter().map(ended).collect();
    let made: Vec<_> = outcomes.iter().flatten().collect();
    assert!(!made.is_empty() && made.iter().all(|id| *id == made[0]), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err(409)), "{outcomes:?}");
    let again = create_of(&machine.sound(), code()).await;
    assert_eq!(ended(&again).as_ref(), Ok(made[0]), "a client that tries again after a time-out");
    one_lives(&machine, &family, 1).await;
}

#[tokio::test]
async fn the_code_that_made_an_instance_changes_nothing_when_it_is_put_to_it() {
    let (machine, family) = started().await;
    let made = create_of(&machine.sound(), code()).await.unwrap();
    let put = consent_with(&machine.sound(), &made, &code(), &Edit::default()).await;
    assert_eq!(ended(&put), Ok(1));
    // And it is not in the way of another code.
    let other = GrantSource::Code("another".to_owned().into(), None);
    consent_with(&machine.sound(), &made, &other, &Edit::default()).await.unwrap();
    one_lives(&machine, &family, 2).await;
}

#[tokio::test]
async fn a_code_that_authenticated_again_is_answered_with_that_instance() {
    let (machine, family) = started().await;
    let made = create(&machine.sound()).await.unwrap();
    let brokers: Vec<_> = (0..4).map(|_| machine.sound()).collect();
    let (source, edit) = (code(), Edit::default());
    let puts = brokers.iter().map(|broker| consent_with(broker, &made, &source, &edit));
    let outcomes: Vec<_> = futures_util::future::join_all(puts).await.iter().map(ended).collect();
    assert!(outcomes.contains(&Ok(1)), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| [Ok(1), Err(409)].contains(outcome)), "{outcomes:?}");
    assert_eq!(ended(&consent_with(&machine.sound(), &made, &code(), &Edit::default()).await), Ok(1));
    assert_eq!(
        ended(&create_of(&machine.sound(), code()).await),
        Ok(1),
        "also when an instance is asked for"
    );
    one_lives(&machine, &family, 2).await;
}

#[tokio::test]
async fn a_token_that_is_imported_twice_is_refreshed_once() {
    let (machine, family) = started().await;
    let token = family.grants_elsewhere().1;
    let brought = || GrantSource::RefreshToken(token.clone().into());
    let brokers: Vec<_> = (0..8).map(|_| machine.sound()).collect();
    let imports = brokers.iter().map(|broker| create_of(broker, brought()));
    let outcomes: Vec<_> = futures_util::future::join_all(imports).await.iter().map(ended).collect();
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    let made = machine.only().await;
    assert_eq!(create_of(&machine.sound(), brought()).await.unwrap().id, made.id);
    let put = consent_with(&machine.sound(), &made, &brought(), &Edit::default()).await;
    assert_eq!(ended(&put), Ok(made.id.0));
    one_lives(&machine, &family, 1).await;
}

#[tokio::test]
async fn a_code_is_one_users() {
    let (machine, family) = started().await;
    create_of(&machine.sound(), code()).await.unwrap();
    let stolen = create_as(&machine.sound(), UserId(2), code()).await;
    assert_eq!(ended(&stolen), Err(409));
    one_lives(&machine, &family, 1).await;
}

#[tokio::test]
async fn a_code_whose_request_died_is_told_to_wait_and_then_that_it_was_used() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry insert", 3, Fault::StopBefore));
    plan.stops_in(create_of(&machine.planned(&plan), code())).await;
    let early = create_of(&machine.sound(), code()).await.unwrap_err();
    assert_eq!((early.status().as_u16(), early.retry_after()), (409, Some(2)), "{early}");
    machine.pass(30);
    let later = create_of(&machine.sound(), code()).await.unwrap_err();
    machine.pass(i64::try_from(later.retry_after().unwrap()).unwrap());
    let used = create_of(&machine.sound(), code()).await.unwrap_err();
    assert!(used.retry_after().is_none() && used.to_string().contains("consent again"), "{used}");
    assert_eq!(machine.asked().0, 1);
}

#[tokio::test]
async fn a_code_that_the_vendor_did_not_take_can_be_sent_again() {
    let machine = Machine::new().await;
    for status in ["429 Too Many Requests", "503 Unavailable", "401 Unauthorized"] {
        machine.vendor.answers(status, "", r#"{"error":"invalid_client"}"#);
        create_of(&machine.sound(), code()).await.unwrap_err();
    }
    machine.vendor.answers("200 OK", "", tests::machine::SECOND);
    create_of(&machine.sound(), code()).await.unwrap();
    assert_eq!((machine.asked().0, machine.visible().await), (4, 1));
}

#[tokio::test]
async fn a_consent_without_a_refresh_token_keeps_the_living_one_of_the_same_client() {
    let machine = Machine::new().await;
    let made = create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", r#"{"access_token":"bare","token_type":"bearer","expires_in":60}"#);
    let consented = consent_with(&machine.sound(), &made, &code(), &Edit::default()).await.unwrap();
    let live = ask(&machine.sound(), &consented).await.unwrap();
    assert_eq!(tests::machine::access_of(&live), "bare");
    machine.pass(61);
    machine.vendor.answers("200 OK", "", tests::machine::SECOND);
    ask(&machine.sound(), &consented).await.unwrap();
    let sent = machine.vendor.requests().pop().unwrap();
    assert!(sent.contains("refresh_token=refresh"), "the one of the first consent: {sent}");
}

#[tokio::test]
async fn a_repeat_whose_marker_cannot_be_written_leaves_the_first_ones() {
    let (machine, family) = started().await;
    let made = create(&machine.sound()).await.unwrap();
    let edit = Edit::default();
    // It finds no marker, and stands still; then a creation's is there, and the answer that says so is lost.
    let (stood, lost) = (AtomicBool::new(false), AtomicBool::new(false));
    let plan = Plan::by(move |_, operation| match (operation.name, operation.of) {
        ("registry update", _) if !stood.swap(true, Ordering::SeqCst) => Some(Fault::StopBefore),
        ("registry insert", "marker") if !lost.swap(true, Ordering::SeqCst) => Some(Fault::LosesReply),
        _ => None,
    });
    let (broker, source) = (machine.planned(&plan), code());
    let mut repeating = Box::pin(consent_with(&broker, &made, &source, &edit));
    plan.stops_in(&mut repeating).await;
    let second = create_of(&machine.sound(), code()).await.unwrap().id.0;
    plan.wake();
    repeating.await.unwrap_err();
    assert_eq!(ended(&create_of(&machine.sound(), code()).await), Ok(second));
    assert_eq!((machine.asked(), family.reused()), ((2, 0), 0));
}

#[tokio::test]
async fn a_token_that_was_brought_to_an_instance_can_be_brought_again_when_that_is_gone_and_it_was_not_revoked()
 {
    let (machine, family) = (Machine::new().await, Family::new(Habit::NoRotation));
    let answers = |family: &Family| {
        let books = family.clone();
        machine.vendor.answers_by(move |request| books.answer(request));
    };
    answers(&family);
    let made = create(&machine.sound()).await.unwrap();
    let token = family.grants_elsewhere().1;
    let brought = || GrantSource::RefreshToken(token.clone().into());
    consent_with(&machine.sound(), &made, &brought(), &Edit::default()).await.unwrap();
    assert_eq!(ended(&create_of(&machine.sound(), brought()).await), Ok(made.id.0));
    machine.vendor.answers("500 Failed", "", "");
    delete::remove(&machine.sound(), &machine.instance().await).await.unwrap();
    let early = create_of(&machine.sound(), brought()).await;
    assert_eq!(ended(&early), Err(409), "somebody late may still send it");
    machine.pass(400);
    machine.sweep().await;
    answers(&family);
    let again = create_of(&machine.sound(), brought()).await.unwrap();
    assert!(family.takes(tests::machine::access_of(&ask(&machine.sound(), &again).await.unwrap())));
}

#[tokio::test]
async fn a_repeat_writes_the_settings_that_the_first_request_died_before() {
    let (machine, family) = started().await;
    let made = create(&machine.sound()).await.unwrap();
    let edit = Edit { name: Some("Renamed".into()), ..Edit::default() };
    // The slot, the commit, and then the settings.
    let plan = Plan::at_of("registry update", "instance", 2, Fault::StopBefore);
    plan.stops_in(consent_with(&machine.planned(&plan), &made, &code(), &edit)).await;
    assert_ne!(machine.instance().await.name, "Renamed");
    let repeated = consent_with(&machine.sound(), &made, &code(), &edit).await.unwrap();
    assert_eq!((repeated.name.as_str(), machine.instance().await.name.as_str()), ("Renamed", "Renamed"));
    one_lives(&machine, &family, 2).await;
}

#[tokio::test]
async fn a_repeat_does_not_take_the_place_of_the_first_request() {
    let (machine, family) = started().await;
    let made = create(&machine.sound()).await.unwrap();
    consent_with(&machine.sound(), &made, &code(), &Edit::default()).await.unwrap();
    let before = machine.instance().await.consents;
    consent_with(&machine.sound(), &made, &code(), &Edit::default()).await.unwrap();
    assert_eq!(machine.instance().await.consents, before, "it draws no number");
    one_lives(&machine, &family, 2).await;
}

#[tokio::test]
async fn a_store_that_fails_once_the_grant_is_kept_does_not_count_as_no_grant() {
    let (machine, family) = started().await;
    let plan = Plan::at_of("registry update", "instance", 1, Fault::Fails);
    let error = create_of(&machine.planned(&plan), code()).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.certainly_not_granted()), (503, false), "{error}");
    machine.pass(361);
    machine.sweep().await;
    assert_eq!(ended(&create_of(&machine.sound(), code()).await), Ok(1));
    one_lives(&machine, &family, 1).await;
}
