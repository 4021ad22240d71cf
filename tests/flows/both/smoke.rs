//! The script that checks a deployed stack: it passes here, and fails on what is no valetkey.

use tests::broker::Broker;
use tokio::process::Command;

#[tokio::test]
async fn the_smoke_script_passes_here_and_fails_elsewhere() {
    let broker = Broker::start(&[]).await;
    let smoke = |base: String| async move {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/smoke");
        let output = Command::new(script).arg(base).output().await.unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (success, printed) = smoke(format!("{}/elements/api-v2", broker.client.base)).await;
    assert!(success, "{printed}");
    assert!(!smoke(format!("{}/sandbox", broker.client.base)).await.0);
}
