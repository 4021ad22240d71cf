//! The command: what it prints, how it stops, and one clear sentence for each way it cannot start.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use broker::id::InstanceId;
use serde_json::json;
use tests::broker::{Broker, command};
use tests::client::{ok, outcome};
use tests::until;
use tokio::io::AsyncWriteExt;

/// Runs the command to its end, and gives whether it succeeded and what it printed on each stream.
async fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = tokio::time::timeout(Duration::from_mins(1), command().args(arguments).output());
    let output = output.await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn refusal(data: &Path, more: &[&str]) -> String {
    let port: &[&str] = if more.contains(&"--port") { &[] } else { &["--port", "0"] };
    let arguments = [port, &["--data", data.to_str().unwrap()], more].concat();
    let (success, printed, error) = run(&arguments).await;
    assert!(!success && printed.is_empty(), "{printed}");
    assert_eq!(error.lines().count(), 1, "one sentence: {error}");
    assert!(error.starts_with("valetkey: ") && !error.contains("panicked"), "{error}");
    error
}

#[tokio::test]
async fn the_first_start_prints_the_secrets_once_and_keeps_them_for_scripts() {
    let mut broker = Broker::start(&[]).await;
    let mode = |name: &str| std::fs::metadata(broker.data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        [mode("first-user.json"), mode("key"), mode("valetkey.db"), mode("valetkey.db-wal")],
        [0o600; 4]
    );
    broker.terminate();
    let (status, printed) = broker.end().await;
    assert!(status.success());
    assert!(printed.contains(&broker.client.user) && printed.contains(&broker.client.organization));
    for step in ["oauth/url", "decision=allow", "/instances", "/access-token", "/userinfo"] {
        assert!(printed.contains(step), "{step}");
    }
    let path = broker.data.join("first-user.json");
    std::fs::remove_file(&path).unwrap();
    broker.restart().await;
    broker.terminate();
    let (status, printed) = broker.end().await;
    assert!(status.success() && printed.is_empty(), "the secrets are printed once: {printed}");
    assert!(!path.exists());
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way_and_ctrl_c_stops_too() {
    let mut broker = Broker::start(&["--sandbox-latency", "200"]).await;
    let client = broker.client.clone();
    let code = client.code("infusionsoftcrm").await;
    let making = tokio::spawn(async move { outcome(client.create("infusionsoftcrm", &code, "Last")).await });
    until(async || broker.stats().await["exchanges"] == 1).await;
    broker.terminate();
    assert!(broker.end().await.0.success());
    assert_eq!(making.await.unwrap().0, 200);
    broker.restart().await;
    broker.signal("INT");
    assert!(broker.end().await.0.success());
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_does_not_keep_the_process() {
    let mut broker = Broker::start(&[]).await;
    let mut half = tokio::net::TcpStream::connect(("127.0.0.1", broker.client.port())).await.unwrap();
    half.write_all(b"POST /elements/api-v2/instances HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    broker.client.root("/sandbox/stats").await;
    broker.terminate();
    let ended = tokio::time::timeout(Duration::from_secs(30), broker.end()).await;
    assert!(ended.expect("it ends").0.success());
}

#[tokio::test]
async fn live_elements_have_the_documents_urls_and_no_sandbox_is_there() {
    let broker = Broker::start(&["--live"]).await;
    assert!(!broker.first_line.contains("sandbox"));
    let documents = [
        (
            "infusionsoftcrm",
            "4ynetc9z7v6vajwvkwvxvgxj",
            "https://httpbin.org/get",
            "https://signin.infusionsoft.com/app/oauth/authorize?scope=full&response_type=code&redirect_uri=https%3A%2F%2Fhttpbin.org%2Fget&state=infusionsoftcrm&client_id=4ynetc9z7v6vajwvkwvxvgxj",
        ),
        (
            "infusionsofterp",
            "82hiop09e7uev42hjkf82qyuc",
            "https://auth.cloudelements.io/oauth",
            "https://signin.infusionsoft.com/app/oauth/authorize?scope=full&response_type=code&redirect_uri=https%3A%2F%2Fauth.cloudelements.io%2Foauth&state=infusionsofterp&client_id=82hiop09e7uev42hjkf82qyuc",
        ),
    ];
    for (element, api_key, callback, expected) in documents {
        for state in ["", "&state=infusionsoftcrm", "&state=infusionsofterp"] {
            if !state.is_empty() && !state.ends_with(element) {
                continue;
            }
            let path = format!(
                "/elements/{element}/oauth/url?apiKey={api_key}&apiSecret=s&callbackUrl={callback}&siteAddress=x{state}"
            );
            let answer = ok(broker.client.bare(reqwest::Method::GET, &path)).await;
            assert_eq!(answer, json!({"oauthUrl": expected, "element": element}));
        }
    }
    assert_eq!(broker.client.root("/sandbox/stats").await.status(), 404);
    assert!(!broker.data.join("sandbox.db").exists());
}

#[tokio::test]
async fn the_help_explains_every_option() {
    let (success, help, _) = run(&["--help"]).await;
    assert!(success);
    for option in [
        "--port",
        "--data",
        "--elements",
        "--live",
        "--log",
        "--public-url",
        "--return-url",
        "--page-title",
        "--page-accent",
        "--sweep-every",
        "--sandbox-access-lifetime",
        "--sandbox-refresh-lifetime",
        "--sandbox-grace",
        "--sandbox-latency",
    ] {
        assert!(help.contains(option), "{option}");
    }
    let (success, _, error) = run(&["--port", "70000"]).await;
    assert!(!success && error.contains("--port"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_one_clear_sentence() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(folder.path(), &["--port", &port]).await;
    assert!(error.contains(&port) && error.contains("--port"), "{error}");
    assert!(!folder.path().join("first-user.json").exists(), "nobody would have seen the secrets");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for data in [file.clone(), file.join("below")] {
        let error = refusal(&data, &[]).await;
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
    let missing = folder.path().join("missing");
    let data = folder.path().join("data");
    let error = refusal(&data, &["--elements", missing.to_str().unwrap()]).await;
    assert!(error.contains("--elements") && error.contains("missing"), "{error}");
    assert!(!data.join("first-user.json").exists(), "nobody would have seen the secrets");
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_one_clear_sentence() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    open(folder.path());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Root may read everything: somebody who is not root must try, with a copy that they can reach.
    let binary = folder.path().join("valetkey");
    // By another process: while this one had the copy open, no child that it forked meanwhile could run it.
    let copied =
        std::process::Command::new("cp").arg(tests::profile_folder().join("valetkey")).arg(&binary).status();
    assert!(copied.unwrap().success());
    open(&binary);
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(if is_root { 0o700 } else { 0o000 }))
        .unwrap();
    let mut command = tokio::process::Command::new(&binary);
    if is_root {
        command.uid(NOBODY);
    }
    let output = command.args(["--port", "0", "--data", data.to_str().unwrap()]).output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.lines().count() == 1, "{error}");
    assert!(error.contains(data.to_str().unwrap()) && error.contains("Permission denied"), "{error}");
}

#[tokio::test]
async fn a_damaged_database_is_one_clear_sentence() {
    let mut broker = Broker::start(&[]).await;
    broker.client.instance("infusionsoftcrm", "Before").await;
    broker.terminate();
    broker.end().await;
    let path = broker.data.join("valetkey.db");
    let sound = std::fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    let middle = sound.len() / 2;
    for byte in &mut flipped[middle - 2_048..middle + 2_048] {
        *byte ^= 0xa5;
    }
    let damages = [b"This is not a database. ".repeat(500), sound[..sound.len() / 2].to_vec(), flipped];
    for damaged in damages {
        std::fs::write(&path, damaged).unwrap();
        let error = refusal(&broker.data, &[]).await;
        assert!(error.contains("damaged") && error.contains("valetkey.db"), "{error}");
    }
    std::fs::write(&path, sound).unwrap();
    broker.restart().await;
    assert_eq!(broker.client.userinfo(&broker.client.access_token(&json!(1)).await).await, 200);
}

#[tokio::test]
async fn a_missing_or_foreign_key_file_is_one_clear_sentence() {
    let mut broker = Broker::start(&[]).await;
    broker.terminate();
    broker.end().await;
    let key = broker.data.join("key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(refusal(&broker.data, &[]).await.contains("is missing"));
    assert!(!key.exists(), "no new key is made for an old database");
    let other = Broker::start(&[]).await;
    std::fs::copy(other.data.join("key"), &key).unwrap();
    assert!(refusal(&broker.data, &[]).await.contains("does not fit"));
    std::fs::write(&key, kept).unwrap();
    broker.restart().await;
}

#[tokio::test]
async fn a_secret_that_others_could_know_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let sixteen_bytes = "cGxhbnRlZC13ZWFrLWtleQ==";
    for key in ["planted-weak-key", sixteen_bytes, "{{resolve:ssm:planted-weak-key}}", "${planted-weak-key}"]
    {
        std::fs::write(folder.path().join("key"), key).unwrap();
        let error = refusal(folder.path(), &[]).await;
        assert!(error.contains("/key does not hold a key of 32 bytes"), "{error}");
        assert!(!error.contains(key), "{error}");
    }
    std::fs::remove_file(folder.path().join("key")).unwrap();
    let good = "g".repeat(32);
    for weak in ["planted-weak-secret", "{{resolve:ssm:planted-weak-secret-of-32-bytes}}"] {
        for (user, organization, member) in
            [(weak, good.as_str(), "userSecret"), (&good, weak, "organizationSecret")]
        {
            let secrets = json!({"userSecret": user, "organizationSecret": organization});
            std::fs::write(folder.path().join("first-user.json"), secrets.to_string()).unwrap();
            let error = refusal(folder.path(), &[]).await;
            assert!(error.contains(member) && error.contains("first-user.json"), "{error}");
            assert!(!error.contains("planted"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_wrong_descriptor_is_named_with_its_file_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let elements = folder.path().join("elements");
    std::fs::create_dir(&elements).unwrap();
    let descriptor =
        include_str!("../../src/vendor.toml").replace("http://127.0.0.1:0/token", "http://example.com/token");
    std::fs::write(elements.join("mine.toml"), descriptor).unwrap();
    let error = refusal(&folder.path().join("data"), &["--elements", elements.to_str().unwrap()]).await;
    assert!(error.contains("mine.toml") && error.contains("oauth2.token.url"), "{error}");
}

#[tokio::test]
async fn the_sandboxs_grants_and_real_ones_are_kept_apart() {
    let mut broker = Broker::start(&[]).await;
    broker.terminate();
    broker.end().await;
    let live =
        command().arg("--data").arg(&broker.data).args(["--port", "0", "--live"]).output().await.unwrap();
    let said = String::from_utf8(live.stderr).unwrap();
    assert!(!live.status.success() && said.contains("leave --live out"), "{said}");
}

#[tokio::test]
async fn a_sweep_that_is_under_way_is_finished_when_the_process_ends() {
    let latency = ["--sandbox-latency", "1500", "--sweep-every", "1"];
    let mut broker = Broker::start(&latency).await;
    let made = broker.client.instance("infusionsoftcrm", "Kept").await;
    let id = made["id"].as_u64().unwrap();
    broker.is_due(id).await;
    until(async || broker.stats().await["refreshes"] == 1).await;
    broker.terminate();
    assert!(broker.end().await.0.success());
    let record = broker.registry().get(&broker::record::grant::key(InstanceId(id))).await.unwrap().unwrap();
    assert_eq!((&record["number"], record.get("asking_owner")), (&json!(1), None));
}
