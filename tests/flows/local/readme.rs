//! The README's commands are run as they stand.

use std::process::Stdio;

use tests::broker::Broker;
use tests::visitor::Visitor;
use tokio::process::Command;

#[tokio::test]
async fn the_readmes_five_curls_go_the_whole_way() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let flow = readme.split("<!-- flow -->").nth(1).expect("the README marks the flow");
    let script = flow.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(script.matches("curl ").count(), 5);
    let broker = Broker::start(&[]).await;
    let script = script
        .replace("http://127.0.0.1:9000", &broker.client.base)
        .replace(".valetkey/", &format!("{}/", broker.data.display()));
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).stdin(Stdio::null()).output();
    let output = output.await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.trim_end().ends_with('}') && printed.contains("xx123.infusionsoft.com"), "{printed}");
    assert_eq!(broker.stats().await["apiCalls"], 1);
}

#[tokio::test]
async fn the_commands_of_the_first_start_go_the_whole_way() {
    let mut first = Broker::start(&[]).await;
    let printed = first.printed_until("/userinfo").await;
    let script = printed.split_once("# 1. ").expect("the commands are numbered").1;
    let script = format!("# {script}");
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.contains("xx123.infusionsoft.com"), "{printed}");
    assert_eq!(first.stats().await["apiCalls"], 1);
}

#[tokio::test]
async fn the_readmes_link_is_opened_and_connects() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let script = |mark: &str| {
        let part = readme.split(&format!("<!-- {mark} -->")).nth(1).expect("the README marks it");
        part.split("```bash\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
    };
    let broker = Broker::start(&[]).await;
    let preamble =
        script("flow").lines().take_while(|line| !line.starts_with("# 1.")).collect::<Vec<_>>().join("\n");
    let script = format!("{preamble}\n{}", script("connect"))
        .replace("http://127.0.0.1:9000", &broker.client.base)
        .replace(".valetkey/", &format!("{}/", broker.data.display()));
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).stdin(Stdio::null()).output();
    let printed = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let link = serde_json::json!({"url": printed.trim()});
    let visitor = Visitor::new(&broker.client);
    let authorize = visitor.leaves(&link).await;
    let sent = broker.client.http.post(authorize).form(&[("decision", "allow")]).send().await.unwrap();
    let got = visitor.open(sent.headers()["location"].to_str().unwrap()).await;
    assert_eq!(got.headline(), "Infusionsoft is connected");
}
