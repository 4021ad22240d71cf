//! The consent page in a real browser, by keyboard, on a phone's width and a desk's.

use std::process::Stdio;

use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, ok, outcome};
use tokio::process::Command;

async fn person(oauth_url: &str, decision: &str, width: u32) -> Value {
    let npm = tests::tool_folder("npm");
    let screenshot = npm.join(format!("consent-{decision}-{width}"));
    let output = Command::new("node")
        .current_dir(&npm)
        .args(["consent.mjs", oauth_url, decision, &width.to_string(), screenshot.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn a_person_allows_or_denies_and_comes_back_to_the_app() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let callback = format!("{}/sandbox/callback", client.base);
    let path = format!("/elements/infusionsoftcrm/oauth/url?apiKey={API_KEY}&callbackUrl={callback}");
    for width in [390, 1280] {
        for (decision, title) in [("allow", "Access was allowed"), ("deny", "Access was denied")] {
            let answer = ok(client.bare(reqwest::Method::GET, &path)).await;
            let seen = person(answer["oauthUrl"].as_str().unwrap(), decision, width).await;
            assert_eq!((&seen["title"], &seen["complaints"]), (&json!(title), &json!([])), "{seen}");
            assert_eq!(seen["scrolls"], false, "nothing is cut off at {width} pixels");
            let back = url::Url::parse(seen["url"].as_str().unwrap()).unwrap();
            let code = tests::client::parameter(&back, "code");
            assert_eq!(code.is_some(), decision == "allow");
            if let Some(code) = code {
                let mut sent = tests::client::body("infusionsoftcrm", &code, "By browser");
                sent["configuration"]["oauth.callback.url"] = callback.clone().into();
                assert_eq!(
                    outcome(client.call(reqwest::Method::POST, "/instances").json(&sent)).await.0,
                    200
                );
            }
        }
    }
}
