//! Secrets planted in every field that takes one show at no log level, in no answer and in no error.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{API_KEY, CALLBACK, outcome};
use tests::visitor::Visitor;
use url::Url;

/// A body with a planted secret in every field that may hold one.
fn planted(code: &str) -> Value {
    json!({
        "element": {"key": "infusionsoftcrm"},
        "providerData": {
            "code": code, "codeVerifier": "planted-code-verifier", "state": "planted-state",
        },
        "configuration": {
            "oauth.api.key": "planted-client-id", "oauth.api.secret": "planted-client-secret",
            "oauth.callback.url": CALLBACK, "infusionsoft.private.key": "planted-private-key",
            "password": "planted-password", "some.password": "planted-other-password",
            "oauth.user.token": "planted-user-token", "oauth.user.refresh_token": "planted-refresh-token",
        },
        "name": "Leaky",
    })
}

#[tokio::test]
async fn what_was_planted_is_found_nowhere() {
    for level in ["error", "warn", "info", "debug", "trace"] {
        let mut broker = Broker::start(&["--log", level]).await;
        let client = broker.client.clone();
        let (mut answers, mut pages, mut visits) = (Vec::new(), Vec::new(), Vec::new());
        let mut keep = async |request: reqwest::RequestBuilder| {
            let (_, answer) = outcome(request).await;
            answers.push(answer.to_string());
            answer
        };
        let query = format!("apiKey={API_KEY}&apiSecret=planted-query-secret&callbackUrl={CALLBACK}");
        keep(client.bare(Method::GET, &format!("/elements/infusionsoftcrm/oauth/url?{query}"))).await;
        let wrong =
            "User planted-wrong-user, Organization planted-wrong-organization, Element planted-wrong-token";
        keep(client.bare(Method::GET, "/instances").header("authorization", wrong)).await;

        // Made, changed, read; with a code that works and with one that does not; as JSON and as none.
        keep(client.call(Method::POST, "/instances").json(&planted("planted-code-value"))).await;
        let mut body = planted(&client.code("infusionsoftcrm").await);
        body["configuration"]["oauth.api.key"] = json!(API_KEY);
        keep(client.call(Method::POST, "/instances").json(&body)).await;
        for path in
            ["/instances", "/instances/2", "/instances/2/configuration", "/instances/2/configuration/191002"]
        {
            keep(client.call(Method::GET, path)).await;
        }
        keep(client.call(Method::PATCH, "/instances/2").json(&planted("planted-code-value"))).await;
        let value = json!({"propertyValue": "planted-entry"});
        keep(client.call(Method::PATCH, "/instances/2/configuration/oauth.api.secret").json(&value)).await;
        keep(
            client
                .call(Method::POST, "/instances")
                .body("{\"configuration\":{\"oauth.api.secret\":\"planted-broken"),
        )
        .await;
        let wrong_type =
            json!({"configuration": {"oauth.api.secret": ["planted-list"]}, "providerData": {"code": "x"}});
        keep(client.call(Method::POST, "/elements/191/instances").json(&wrong_type)).await;
        let mut import = planted("");
        import["externalAuthentication"] = json!("initial");
        keep(client.call(Method::POST, "/instances").json(&import)).await;
        keep(client.call(Method::DELETE, "/instances/2")).await;

        // Hosted connect: an app, a link, a way there and back, allowed, denied and made up.
        let app = json!({"configuration": {"oauth.api.key": "planted-app-id", "oauth.api.secret": "planted-app-secret"}});
        keep(client.call(Method::POST, "/elements/191/apps").json(&app)).await;
        let mut link = planted("");
        link["reusable"] = json!(true);
        link["configuration"].as_object_mut().unwrap().remove("oauth.callback.url");
        let link = keep(client.call(Method::POST, "/elements/191/links").json(&link)).await;
        keep(client.call(Method::GET, "/elements/191/links")).await;
        for decision in ["allow", "deny"] {
            let visitor = Visitor::new(&client);
            let authorize = visitor.leaves(&link).await;
            let sent = client.http.post(authorize).form(&[("decision", decision)]).send().await.unwrap();
            let back = sent.headers()["location"].to_str().unwrap().to_owned();
            let made_up = back.replace("code=", "code=planted-").replace("state=", "state=planted-");
            for url in [&made_up, &back] {
                pages.push(visitor.open(url).await.page);
            }
            // What only this visitor may know.
            let pairs = Url::parse(&back).unwrap();
            let known = pairs.query_pairs().filter(|(name, _)| name == "code" || name == "state");
            visits.extend(known.map(|(_, value)| value.into_owned()));
            visits.extend(visitor.cookies().split_once('=').map(|(_, browser)| browser.to_owned()));
        }

        broker.terminate();
        broker.end().await;
        let log = std::fs::read_to_string(broker.log_path()).unwrap();
        let answers = answers.concat();
        assert!(!pages.concat().contains("planted-"), "{level}: {pages:?}");
        assert!(pages[1].contains("is connected") && visits.len() == 5, "{level}: {pages:?}");
        visits.push(link["id"].as_str().unwrap().to_owned());
        for secret in &visits {
            assert!(!log.contains(secret), "{level}: a visit is in the log");
        }
        assert!(
            !answers.contains("planted-")
                || answers.matches("planted-").count() == answers.matches(API_KEY).count(),
            "{level}: {answers}"
        );
        assert!(!log.contains("planted-"), "{level}: {log}");
        for secret in [&client.user, &client.organization] {
            assert!(!log.contains(secret) && !answers.contains(secret), "{level}");
        }
    }
}
