//! A table that was restored from a backup is brought up to what Secrets Manager knows.

use std::sync::Arc;

use broker::grant::reconcile::{Findings, reconcile};
use broker::id::{InstanceId, UserId};
use broker::record::user;
use broker::store::records::Registry;
use tests::broker::on_lambda;
use tests::emulators;
use tests::machine::{Machine, SECOND, access_of, ask, consent, create};
use valetkey::store::{Database, SqliteRegistry};

/// What was there at some time, in a store of its own.
async fn backup(machine: &Machine, folder: &std::path::Path) -> Arc<dyn Registry> {
    let copy: Arc<dyn Registry> = if on_lambda() {
        Arc::new(emulators::registry().await.0)
    } else {
        Arc::new(SqliteRegistry::new(Database::open(&folder.join("backup.db")).unwrap()))
    };
    for (key, item) in machine.registry.scan(None, 1_000).await.unwrap().items {
        copy.insert(&key, item).await.unwrap();
    }
    copy
}

fn numbered(number: u32) -> String {
    SECOND.replace("second", &format!("access{number}")).replace("refresh2", &format!("refresh{number}"))
}

fn ids(ids: &[u64]) -> std::collections::BTreeSet<InstanceId> {
    ids.iter().copied().map(InstanceId).collect()
}

#[tokio::test]
async fn newer_tokens_are_adopted_no_number_is_given_twice_and_what_is_lost_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Machine::new().await.settling().await;
    let broker = machine.sound();
    let user =
        user::FirstUser { user_secret: "u".repeat(40).into(), organization_secret: "o".repeat(40).into() };
    user.make(&*machine.registry).await.unwrap();
    let mut made = Vec::new();
    for number in 1..=4 {
        machine.vendor.answers("200 OK", "", &numbered(number));
        made.push(create(&broker).await.unwrap());
    }
    let restored = backup(&machine, folder.path()).await;
    // Since then the first is refreshed, the second consented again, the third refreshed and not yet in Secrets Manager,
    // and a fifth is made. Nothing becomes of the fourth.
    machine.pass(61);
    machine.vendor.answers("200 OK", "", &numbered(11));
    ask(&broker, &made[0]).await.unwrap();
    machine.pass(1_000);
    machine.sweep().await;
    machine.vendor.answers("200 OK", "", &numbered(12));
    consent(&broker, &made[1]).await.unwrap();
    machine.vendor.answers("200 OK", "", &numbered(13));
    ask(&broker, &made[2]).await.unwrap();
    let sealed = [1, 2, 3].map(async |id| machine.grant_of(InstanceId(id)).await.unwrap().sealed.is_some());
    assert_eq!(futures_util::future::join_all(sealed).await, [false, false, true]);
    let fifth = create(&broker).await.unwrap();
    let secret = machine.grant_of(fifth.id).await.unwrap().secret.unwrap();
    user::renew(&*machine.registry, UserId(1)).await.unwrap();

    let replaced = std::mem::replace(&mut machine.registry, restored);
    let broker = machine.sound();
    let findings = reconcile(&broker, Some(&*replaced)).await.unwrap();
    let expected = Findings {
        grants: 4,
        adopted: ids(&[1, 2]),
        consented_again: ids(&[2]),
        may_be_spent: ids(&[3, 4]),
        older_user_secrets: [UserId(1)].into(),
        orphaned_secrets: [secret].into(),
    };
    assert_eq!(findings, expected);
    // Whoever is asked now goes on with the newest tokens, and with numbers that were never given.
    let asked = machine.asked().0;
    assert_eq!(access_of(&ask(&broker, &made[1]).await.unwrap()), "access12");
    assert_eq!(machine.asked().0, asked, "it has not expired");
    machine.vendor.answers("200 OK", "", &numbered(21));
    assert_eq!(access_of(&ask(&broker, &made[0]).await.unwrap()), "access21");
    assert!(machine.vendor.requests().last().unwrap().contains("refresh_token=refresh11"));
    assert!(machine.grant_of(InstanceId(1)).await.unwrap().number > 1_000_000);
    machine.vendor.answers("200 OK", "", &numbered(22));
    consent(&broker, &made[1]).await.unwrap();
    assert!(machine.grant_of(InstanceId(2)).await.unwrap().family > 1_000_000);
    assert!(create(&broker).await.unwrap().id.0 > 1_000_000);
    // A second run finds what is left.
    let again = reconcile(&broker, None).await.unwrap();
    assert!(again.adopted.is_empty() && again.older_user_secrets.is_empty(), "{again:?}");
    assert_eq!(again.orphaned_secrets, expected.orphaned_secrets);
}
