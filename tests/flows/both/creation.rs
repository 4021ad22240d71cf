//! What an exchange leaves that the vendor refused or may have acted on.

use tests::machine::{Machine, create};

#[tokio::test]
async fn a_refused_exchange_leaves_no_record_and_a_doubtful_one_does() {
    for (status, headers, left) in [
        ("400 Bad Request", "", false),
        ("429 Too Many Requests", "", false),
        ("503 Unavailable", "", false),
        ("500 Failed", "", true),
        ("504 Gateway Timeout", "", true),
    ] {
        let machine = Machine::new().await;
        machine.vendor.answers(status, headers, r#"{"error":"invalid_grant"}"#);
        create(&machine.sound()).await.unwrap_err();
        assert_eq!(machine.record().await.is_some(), left, "{status}");
        assert_eq!(machine.visible().await, 0);
    }
}
