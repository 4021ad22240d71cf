//! What an exchange leaves that the vendor refused or may have acted on, and whose grant is revoked.

use broker::grant::obtain::Proof;
use tests::machine::{Machine, create, create_of};
use tests::stores::plan::{Fault, Plan};

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
        create(&machine.sound()).await.unwrap_err();
        assert_eq!(machine.record().await.is_some(), left, "{status}");
        assert_eq!(machine.visible().await, 0);
    }
}

#[tokio::test]
async fn a_grant_that_was_brought_along_is_not_revoked_when_it_cannot_be_kept() {
    let (machine, plan) = (Machine::new().await, Plan::at("vault create", 1, Fault::Fails));
    let token = Proof::AccessToken("brought".to_owned().into());
    create_of(&machine.planned(&plan), token).await.unwrap_err();
    assert_eq!(machine.asked(), (0, 0), "it is the caller's, and works on");
}
