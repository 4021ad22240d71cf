//! Secrets show nowhere: not in the log, not in an answer, not in the files on the disk.

use std::path::PathBuf;

use reqwest::Method;
use tests::broker::Broker;
use tests::client::{API_KEY, API_SECRET, body, outcome};

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn planted_secrets_are_in_no_answer_no_log_and_no_file() {
    let mut broker = Broker::start(&["--log", "debug"]).await;
    let client = broker.client.clone();
    let code = client.code("infusionsoftcrm").await;
    let (_, made) = outcome(client.create("infusionsoftcrm", &code, "Secretive")).await;
    let access = client.access_token(&made["id"]).await;
    let mut answers = vec![made.to_string()];
    for path in ["/instances", "/instances/1", "/instances/2", "/elements/infusionsoftcrm"] {
        answers.push(outcome(client.call(Method::GET, path)).await.1.to_string());
    }
    let refused = outcome(client.create("infusionsoftcrm", "planted-code", "Refused")).await;
    assert_eq!(refused.0, 400);
    answers.push(refused.1.to_string());
    let mut sent = body("infusionsoftcrm", "planted-code", "Elsewhere");
    sent["configuration"]["infusionsoft.server"] = "evil.example".into();
    answers.push(outcome(client.call(Method::POST, "/instances").json(&sent)).await.1.to_string());
    let configuration = &made["configuration"];
    for key in ["oauth.api.key", "oauth.api.secret", "infusionsoft.private.key"] {
        assert_eq!(configuration[key], "********", "{key}");
    }
    broker.terminate();
    broker.end().await;

    let log = std::fs::read_to_string(broker.log_path()).unwrap();
    assert!(log.contains("answered"), "the log is on");
    let token = made["token"].as_str().unwrap();
    let secrets = [API_KEY, API_SECRET, "planted-private-key", "planted-code", &code, &access];
    for secret in secrets {
        assert!(!answers.concat().contains(secret), "{secret} is in an answer");
    }
    for secret in secrets.iter().chain(&[token, &client.user, &client.organization]) {
        assert!(!log.contains(secret), "{secret} is in the log");
        for path in files(&broker.data) {
            let name = path.file_name().unwrap().to_str().unwrap();
            // The sandbox is the vendor; the first user's secrets have a file of their own.
            if name.starts_with("sandbox.db") || name == "first-user.json" {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {name}");
        }
    }
}
