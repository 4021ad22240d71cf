//! `infra/reconcile` runs a program of its own, with the credentials of whoever restores a table.

use aws::config;
use serde_json::{Value, json};
use tests::broker::Broker;
use tokio::process::Command;

/// Runs the program with the sweep's variables and others, and gives what it prints and says.
async fn run(broker: &Broker, others: &[(&str, &str)]) -> (Option<Value>, String) {
    let program = tests::profile_folder().join("reconcile");
    assert!(program.exists(), "{} is missing: build it first", program.display());
    let (_, variables) = broker.function("sweep").deployed();
    let run = Command::new(program).env_clear().envs(variables).envs(others.iter().copied()).output();
    let run = run.await.unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    (run.status.success().then(|| serde_json::from_slice(&run.stdout).unwrap()), said)
}

#[tokio::test]
async fn it_prints_what_it_found_and_what_is_wrong() {
    let broker = Broker::start(&[]).await;
    for name in ["First", "Second"] {
        broker.client.instance("infusionsoftcrm", name).await;
    }
    let table = &broker.function("sweep").deployed().1[config::TABLE];
    let (findings, said) = run(&broker, &[(config::REPLACED_TABLE, table)]).await;
    let nothing = json!([]);
    let expected = json!({
        "grants": 2, "adopted": nothing, "consentedAgain": nothing, "mayBeSpent": nothing,
        "olderUserSecrets": nothing, "orphanedSecrets": nothing,
    });
    assert_eq!(findings, Some(expected), "{said}");
    assert!(broker.grant(1).await["last"].as_u64().unwrap() >= 1_000_000);
    broker.client.access_token(&1.into()).await;
    let (findings, said) = run(&broker, &[(config::TABLE, "no-such-table")]).await;
    assert!(findings.is_none() && said.contains("ResourceNotFoundException"), "{said}");
}
