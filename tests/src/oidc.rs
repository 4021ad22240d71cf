//! npm's `oidc-provider`, a certified authorization server that others wrote, as a vendor; and a
//! person who logs in and consents on its pages.

use std::process::Stdio;

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use crate::client::{self, API_KEY, API_SECRET, CALLBACK};

/// A running server and the element that describes it; it is killed when it is dropped.
pub struct OidcProvider {
    /// Where it is.
    pub issuer: String,
    /// The folder with the descriptor, for `--elements`.
    pub elements: TempDir,
    _child: Child,
}

impl OidcProvider {
    /// Starts a server that knows the tests' client.
    pub async fn start() -> Self {
        Self::start_with(0.0, 3_600).await
    }

    /// Starts a server that takes so many milliseconds to answer a refresh, when it has acted, and whose access
    /// tokens live so many seconds.
    pub async fn start_with(latency: f64, lifetime: i64) -> Self {
        let mut child = Command::new("node")
            .current_dir(crate::tool_folder("npm"))
            .args(["oidc-provider.mjs", API_KEY, API_SECRET, CALLBACK])
            .args([latency.to_string(), lifetime.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines.next_line().await.unwrap().expect("it prints its address");
        // It goes on printing; nobody reads it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let elements = tempfile::tempdir().unwrap();
        let descriptor = include_str!("oidc-provider.toml").replace("http://127.0.0.1:0", &issuer);
        std::fs::write(elements.path().join("oidc-provider.toml"), descriptor).unwrap();
        Self { issuer, elements, _child: child }
    }

    /// Counts the refreshes that came.
    pub async fn refreshes(&self) -> u64 {
        let stats = client::http().get(format!("{}/stats", self.issuer)).send().await.unwrap();
        stats.json::<serde_json::Value>().await.unwrap()["refreshes"].as_u64().unwrap()
    }

    /// Logs in and consents as a person would, and gives the tests' callback URL that the browser is sent to.
    pub async fn consent(&self, oauth_url: &str) -> Url {
        self.consent_until(oauth_url, CALLBACK).await
    }

    /// Does the same until the browser is sent to an address that begins so.
    pub async fn consent_until(&self, oauth_url: &str, back: &str) -> Url {
        let browser = client::http();
        let mut next = Url::parse(oauth_url).unwrap();
        for _ in 0..20 {
            if next.as_str().starts_with(back) {
                return next;
            }
            let mut page = browser.get(next.clone()).send().await.unwrap();
            if page.status() == StatusCode::OK {
                let html = page.text().await.unwrap();
                let prompt = if html.contains("value=\"login\"") { "login" } else { "consent" };
                assert!(html.contains(&format!("value=\"{prompt}\"")), "{html}");
                let form = [("prompt", prompt), ("login", "someone"), ("password", "any")];
                page = browser.post(next.clone()).form(&form).send().await.unwrap();
            }
            assert!(page.status().is_redirection(), "{}: {}", page.status(), page.text().await.unwrap());
            next = next.join(page.headers()["location"].to_str().unwrap()).unwrap();
        }
        panic!("the server redirects for ever")
    }

    /// Calls an API of the server with an access token, and gives the status.
    pub async fn userinfo(&self, access_token: &str) -> u16 {
        let url = format!("{}/me", self.issuer);
        client::http().get(url).bearer_auth(access_token).send().await.unwrap().status().as_u16()
    }
}
