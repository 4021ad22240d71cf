//! What every vault must do.

use std::sync::Arc;

use broker::random;
use broker::store::secrets::{PutError, Vault};
use secrecy::{ExposeSecret, SecretString};

/// Runs one test a promise, each on a vault of its own that `$make` makes; what it returns is kept
/// until the test ends.
#[macro_export]
macro_rules! vault_suite {
    ($make:expr) => {
        $crate::vault_suite!(@ $make;
            a_version_is_read_back_by_its_id,
            a_version_is_written_once,
            repeating_a_write_is_no_error,
            a_secret_is_made_once,
            no_version_is_added_to_a_secret_that_is_not_there,
            a_removed_secret_is_gone_with_all_its_versions,
            a_long_text_comes_back_whole,
            of_racing_writers_of_one_version_one_wins,
            secrets_and_their_versions_are_listed,
        );
    };
    (@ $make:expr; $($name:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let (vault, _kept) = $make.await;
            $crate::suites::vault::$name(std::sync::Arc::new(vault)).await;
        })*
    };
}

fn text(text: &str) -> SecretString {
    text.to_owned().into()
}

async fn read(vault: &dyn Vault, secret: &str, version: &str) -> Option<String> {
    vault.get(secret, version).await.unwrap().map(|text| text.expose_secret().to_owned())
}

/// A version is found by its id, whatever came after it.
pub async fn a_version_is_read_back_by_its_id(vault: Arc<dyn Vault>) {
    let (secret, first, second) = (random::id(), random::id(), random::id());
    vault.create(&secret, &first, &text("one")).await.unwrap();
    vault.put(&secret, &second, &text("two")).await.unwrap();
    assert_eq!(read(&*vault, &secret, &first).await.as_deref(), Some("one"));
    assert_eq!(read(&*vault, &secret, &second).await.as_deref(), Some("two"));
    assert_eq!(read(&*vault, &secret, &random::id()).await, None);
    assert_eq!(read(&*vault, &random::id(), &first).await, None);
}

/// A version's id is never used for another text.
pub async fn a_version_is_written_once(vault: Arc<dyn Vault>) {
    let (secret, first, second) = (random::id(), random::id(), random::id());
    vault.create(&secret, &first, &text("one")).await.unwrap();
    vault.put(&secret, &second, &text("two")).await.unwrap();
    assert!(matches!(vault.put(&secret, &second, &text("other")).await, Err(PutError::Taken)));
    assert!(matches!(vault.put(&secret, &first, &text("other")).await, Err(PutError::Taken)));
    assert_eq!(read(&*vault, &secret, &first).await.as_deref(), Some("one"));
    assert_eq!(read(&*vault, &secret, &second).await.as_deref(), Some("two"));
}

/// A write whose reply was lost can be made again.
pub async fn repeating_a_write_is_no_error(vault: Arc<dyn Vault>) {
    let (secret, first, second) = (random::id(), random::id(), random::id());
    for _ in 0..2 {
        vault.create(&secret, &first, &text("one")).await.unwrap();
    }
    for _ in 0..2 {
        vault.put(&secret, &second, &text("two")).await.unwrap();
    }
    vault.put(&secret, &first, &text("one")).await.unwrap();
}

/// A name that is taken is not taken over.
pub async fn a_secret_is_made_once(vault: Arc<dyn Vault>) {
    let (secret, first) = (random::id(), random::id());
    vault.create(&secret, &first, &text("one")).await.unwrap();
    assert!(matches!(vault.create(&secret, &random::id(), &text("two")).await, Err(PutError::Taken)));
    assert!(matches!(vault.create(&secret, &first, &text("two")).await, Err(PutError::Taken)));
    assert_eq!(read(&*vault, &secret, &first).await.as_deref(), Some("one"));
}

/// What was removed meanwhile is not brought back by a late write.
pub async fn no_version_is_added_to_a_secret_that_is_not_there(vault: Arc<dyn Vault>) {
    let (secret, version) = (random::id(), random::id());
    assert!(matches!(vault.put(&secret, &version, &text("one")).await, Err(PutError::Gone)));
    assert_eq!(read(&*vault, &secret, &version).await, None);
}

/// Removing removes everything, and can be repeated.
pub async fn a_removed_secret_is_gone_with_all_its_versions(vault: Arc<dyn Vault>) {
    let (secret, other) = (random::id(), random::id());
    let versions = [random::id(), random::id()];
    vault.create(&secret, &versions[0], &text("one")).await.unwrap();
    vault.put(&secret, &versions[1], &text("two")).await.unwrap();
    vault.create(&other, &versions[0], &text("other")).await.unwrap();
    for _ in 0..2 {
        vault.remove(&secret).await.unwrap();
    }
    for version in &versions {
        assert_eq!(read(&*vault, &secret, version).await, None);
    }
    assert_eq!(read(&*vault, &other, &versions[0]).await.as_deref(), Some("other"));
}

/// The longest text that Secrets Manager keeps is 65,536 bytes; vendors' tokens come near a tenth.
pub async fn a_long_text_comes_back_whole(vault: Arc<dyn Vault>) {
    let (secret, version) = (random::id(), random::id());
    let long = "é\"\\ \u{1F511}".repeat(4_000);
    vault.create(&secret, &version, &text(&long)).await.unwrap();
    assert_eq!(read(&*vault, &secret, &version).await, Some(long));
}

/// Twenty writers of one version: one text is kept, and its writer alone is told so.
pub async fn of_racing_writers_of_one_version_one_wins(vault: Arc<dyn Vault>) {
    let (secret, version) = (random::id(), random::id());
    vault.create(&secret, &random::id(), &text("zero")).await.unwrap();
    let racers: Vec<_> = (0..20)
        .map(|racer| {
            let (vault, secret, version) = (Arc::clone(&vault), secret.clone(), version.clone());
            tokio::spawn(async move { vault.put(&secret, &version, &text(&racer.to_string())).await.is_ok() })
        })
        .collect();
    let mut winners = Vec::new();
    for (racer, run) in racers.into_iter().enumerate() {
        if run.await.unwrap() {
            winners.push(racer.to_string());
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(read(&*vault, &secret, &version).await.as_ref(), winners.first());
}

/// Those that are there, and nothing of another vault.
pub async fn secrets_and_their_versions_are_listed(vault: Arc<dyn Vault>) {
    let names: Vec<_> = (0..3).map(|number| format!("{number}-{}", random::id())).collect();
    let (first, second) = (random::id(), random::id());
    for name in &names {
        vault.create(name, &first, &text("one")).await.unwrap();
    }
    vault.put(&names[0], &second, &text("two")).await.unwrap();
    vault.remove(&names[2]).await.unwrap();
    let mut found = vault.secrets().await.unwrap();
    found.sort();
    assert_eq!(found, names[..2]);
    let mut versions = vault.versions(&names[0]).await.unwrap();
    versions.sort();
    let mut both = [first.clone(), second];
    both.sort();
    assert_eq!(versions, both);
    assert_eq!(vault.versions(&names[1]).await.unwrap(), [first]);
}
