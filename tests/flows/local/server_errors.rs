//! What counts as a fault of this deployment, and so stops the deployment of a version. Nothing that a caller or a
//! vendor can cause may count.

use std::collections::BTreeMap;

use broker::Error;
use broker::grant::reauthenticate::Revision;
use broker::hosted_connect::Branding;
use broker::store::StoreError;
use tests::machine::{Machine, change, code, create};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;
use vendors::error::VendorError;
use web::{answer, page};

fn faults() -> Vec<Error> {
    let damaged = || StoreError::Damaged("an item cannot be read".into());
    vec![Error::Internal("a panic".into()), Error::Store(damaged()), Error::Unkept(damaged())]
}

fn troubles() -> Vec<Error> {
    vec![
        Error::Store(StoreError::Unavailable("throttled".into())),
        Error::Unfinished("there is more to do".into()),
        Error::Vendor(VendorError::Unreachable("no such host".into())),
        Error::Vendor(VendorError::InDoubt("no answer".into())),
        Error::Vendor(VendorError::Busy { status: 503, retry_after: 1 }),
        Error::Vendor(VendorError::Failed { status: 500 }),
        Error::Vendor(VendorError::Malformed("no JSON".into())),
    ]
}

/// Answers with an error, as the API does and as a page does.
fn answered(error: Error) {
    let error = error.into();
    page::refuse(&Branding::default(), &error, "number");
    assert!(answer::refuse(error).status().is_server_error());
}

#[test]
fn a_fault_of_ours_counts_as_a_server_error() {
    for error in faults() {
        let (told, _guard) = Told::listen();
        let context = format!("{error:?}");
        answered(error);
        assert_eq!(
            (told.count("ServerError"), told.values("fault")),
            (2, vec!["true".into(); 2]),
            "{context}"
        );
    }
}

#[test]
fn what_a_vendor_or_a_caller_can_cause_counts_as_none() {
    for error in troubles() {
        let (told, _guard) = Told::listen();
        let context = format!("{error:?}");
        answered(error);
        assert_eq!(told.count("ServerError"), 0, "{context}");
        assert!(!told.values("fault").contains(&"true".into()), "{context}");
    }
}

#[tokio::test]
async fn a_grant_that_cannot_be_stored_is_a_fault() {
    let (told, _guard) = Told::listen();
    let (machine, plan) = (Machine::new().await, Plan::at("vault create", 1, Fault::Fails));
    create(&machine.planned(&plan)).await.unwrap_err();
    assert_eq!((told.metrics(), told.values("fault")), (vec!["GrantUnkept".into()], vec!["true".into()]));
}

#[tokio::test]
async fn a_grant_that_is_lost_is_a_fault_unless_the_vendor_did_not_answer() {
    let (told, _guard) = Told::listen();
    let (machine, plan) = (Machine::new().await, Plan::at("vault create", 1, Fault::StopBefore));
    plan.stops_in(create(&machine.planned(&plan))).await;
    machine.pass(3_700);
    machine.sweep().await;
    assert_eq!((told.count("GrantLost"), told.values("fault")), (1, vec!["true".into()]));

    let (told, _guard) = Told::listen();
    let machine = Machine::new().await;
    machine.vendor.answers("504 Gateway Timeout", "", "");
    create(&machine.sound()).await.unwrap_err();
    machine.pass(3_700);
    machine.sweep().await;
    assert_eq!((told.count("GrantLost"), told.values("fault")), (1, vec!["false".into()]));
}

#[tokio::test]
async fn a_grant_that_does_not_fit_beside_what_its_owner_sent_meanwhile_is_no_fault() {
    let long = |key: &str| BTreeMap::from([(key.to_owned(), Some("x".repeat(20_000)))]);
    let (machine, plan) = (Machine::new().await, Plan::at("registry update", 2, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    let (told, _guard) = Told::listen();
    let consent = Revision { proof: Some(code()), configuration: Some(long("mine")), ..Revision::default() };
    let broker = machine.planned(&plan);
    let mut consenting = Box::pin(change(&broker, &made, consent));
    plan.stops_in(&mut consenting).await;
    let other = Revision { configuration: Some(long("other")), ..Revision::default() };
    change(&machine.sound(), &machine.instance().await, other).await.unwrap();
    plan.wake();
    assert!(matches!(consenting.await, Err(Error::Invalid(_))));
    assert_eq!((told.count("GrantUnkept"), told.values("fault")), (1, vec!["false".into()]));
}
