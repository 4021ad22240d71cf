//! What counts as a fault of this deployment, and so stops the deployment of a version. Nothing that a caller or a
//! vendor can cause may count.

use broker::Error;
use broker::hosted_connect::Branding;
use broker::store::StoreError;
use tests::machine::{Machine, create};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;
use vendors::error::{VendorError, Words};
use web::{answer, page};

fn faults() -> Vec<Error> {
    let damaged = || StoreError::Damaged("an item cannot be read".into());
    vec![
        Error::Internal("a panic".into()),
        Error::Store(damaged()),
        Error::GrantNotSaved(damaged()),
        Error::Store(StoreError::Denied("a right is missing".into())),
        Error::Unfinished(damaged()),
    ]
}

fn troubles() -> Vec<Error> {
    vec![
        Error::Store(StoreError::Unavailable("throttled".into())),
        Error::Unfinished(StoreError::Unavailable("throttled".into())),
        Error::Incomplete("there is more to do".into()),
        Error::Vendor(VendorError::Unreachable("no such host".into())),
        Error::Vendor(VendorError::InDoubt("no answer".into())),
        Error::Vendor(VendorError::Busy { status: 503, retry_after: 1, words: Words::default() }),
        Error::Vendor(VendorError::Failed { status: 500, words: Words::default() }),
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
    let (machine, plan) = (Machine::new().await, Plan::at("registry insert", 3, Fault::Fails));
    create(&machine.planned(&plan)).await.unwrap_err();
    let refused = told.count("TableRefused");
    assert!(told.count("GrantNotSaved") == 1 && refused == 3, "each attempt: {:?}", told.metrics());
    assert_eq!(told.values("fault"), ["true"]);
}

#[tokio::test]
async fn a_grant_that_is_lost_is_a_fault_unless_the_vendor_did_not_answer() {
    let (told, _guard) = Told::listen();
    let (machine, plan) = (Machine::new().await, Plan::at("registry insert", 3, Fault::StopBefore));
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
