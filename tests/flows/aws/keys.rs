//! A function that is given a secret that others could know does not start, and says which. These tests are for
//! the functions, `VALETKEY_STACK=lambda`.

use aws::config;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::lambda::Invoked;
use tests::{emulators, template};

/// Secrets that others could know, and what is said of them.
const WEAK: [(&str, &str); 3] = [
    ("planted-weak-key", "shorter than 32 bytes"),
    ("${planted-weak-key-of-a-parameter}", "a reference that nothing has resolved"),
    ("{{resolve:secretsmanager:planted-weak-key:SecretString}}", "a reference that nothing has resolved"),
];

/// Starts a function with another value of a variable, and gives what it said when it ended.
async fn refusal(broker: &Broker, function: &str, variable: &str, value: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let changed = broker.function(function).with(variable, value, log.clone());
    let invoked = changed.invoke(json!({})).await;
    assert!(matches!(invoked, Invoked::Failed), "{function} {variable}: {invoked:?}");
    std::fs::read_to_string(log).unwrap()
}

#[tokio::test]
async fn a_function_names_the_variable_of_a_secret_that_others_could_know() {
    let broker = Broker::start(&[]).await;
    let good = "g".repeat(44);
    let mut refused = 0;
    for function in template::functions() {
        let name = &function.binary;
        for variable in function.variables.keys() {
            if variable == config::PKCE_KEY {
                for (weak, said) in WEAK {
                    let text = refusal(&broker, name, variable, weak).await;
                    assert!(text.contains(variable) && text.contains(said), "{name}: {text}");
                    assert!(!text.contains("planted"), "{name}: {text}");
                    refused += 1;
                }
            } else if variable.ends_with("_SECRET") {
                let lists = WEAK.map(|(weak, said)| (format!("{good} {weak}"), said));
                let alone = WEAK.map(|(weak, said)| (weak.to_owned(), said));
                for (weak, said) in alone.into_iter().chain(lists) {
                    let secret = emulators::secret(&weak).await;
                    let text = refusal(&broker, name, variable, &secret).await;
                    assert!(text.contains(variable) && text.contains(said), "{name}: {text}");
                    assert!(text.contains(&secret) && !text.contains("planted"), "{name}: {text}");
                    refused += 1;
                }
                let text = refusal(&broker, name, variable, "${NotResolved}").await;
                assert!(text.contains(variable) && text.contains("nothing has resolved"), "{name}: {text}");
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[tokio::test]
async fn a_new_key_of_grants_is_learnt_by_functions_that_run_and_seals_everything_again() {
    let broker = Broker::start(&["--token-store=table"]).await;
    let client = &broker.client;
    client.instance("infusionsoftcrm", "Name").await;
    let token = client.access_token(&1.into()).await;
    let sealed = broker.grant(1).await["sealed"].clone();
    let (folder, sweep) = (tempfile::tempdir().unwrap(), broker.function("sweep"));
    let key = &sweep.deployed().1[config::GRANT_KEY_SECRET];
    emulators::add_key(key).await;
    // Deployed: a new environment, and the log line that says how far it is.
    let log = folder.path().join("log");
    let deployed = sweep.with(config::GRANT_KEY_SECRET, key, log.clone());
    assert!(matches!(deployed.invoke(json!({})).await, Invoked::Answered(_)));
    let again = broker.grant(1).await["sealed"].clone();
    assert_ne!(again.as_str().unwrap()[..5], sealed.as_str().unwrap()[..5]);
    let said = std::fs::read_to_string(log).unwrap();
    let found = said.lines().find(|line| line.contains("SealedWithOlderKey")).expect("a round has ended");
    let found: Value = serde_json::from_str(found).unwrap();
    assert_eq!(found["SealedWithOlderKey"], 2, "the configuration and the tokens: {found}");
    // Not deployed: it reads the keys again when it meets the new one, once.
    broker.calls("instances");
    for _ in 0..2 {
        assert_eq!(client.access_token(&1.into()).await, token);
    }
    let calls = broker.calls("instances");
    let reads = calls.iter().filter(|call| *call == "secretsmanager:GetSecretValue").count();
    assert_eq!(reads, 1, "{calls:?}");
}
