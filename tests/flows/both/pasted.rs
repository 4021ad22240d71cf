//! Keys, codes and addresses are pasted with what stood around them, and scopes come in more than one form.

use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::client::{CALLBACK, body, ok, outcome, parameter};
use tests::vendor::Vendor;
use url::Url;

const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

async fn redirect_url(broker: &Broker, members: Value) -> Result<Url, (u16, Value)> {
    let asked = broker.client.bare(Method::POST, "/elements/faulty/oauth/url").json(&members);
    match outcome(asked).await {
        (200, answer) => Ok(Url::parse(answer["oauthUrl"].as_str().unwrap()).unwrap()),
        refused => Err(refused),
    }
}

async fn started() -> (Vendor, Broker) {
    let vendor = Vendor::start().await;
    vendor.answers("200 OK", "", GRANTED);
    let broker = Broker::start(&["--elements", vendor.elements.path().to_str().unwrap()]).await;
    (vendor, broker)
}

#[tokio::test]
async fn what_was_pasted_around_a_value_is_taken_off() {
    let (vendor, broker) = started().await;
    for around in [" ", "\n", "\t", "\r\n", "\u{a0}", "\u{200b}", "\u{feff}"] {
        let pasted = |text: &str| format!("{around}{text}{around}");
        let url =
            redirect_url(&broker, json!({"apiKey": pasted("the-key"), "callbackUrl": pasted(CALLBACK)}))
                .await;
        let url = url.unwrap();
        assert_eq!(parameter(&url, "client_id").as_deref(), Some("the-key"), "{around:?}");
        assert_eq!(parameter(&url, "redirect_uri").as_deref(), Some(CALLBACK), "{around:?}");
        let mut made = body("faulty", &pasted("the-code"), "Name");
        made["providerData"]["code"] = pasted(&format!("code-{}", broker::random::id())).into();
        for key in ["oauth.api.key", "oauth.api.secret", "oauth.callback.url"] {
            made["configuration"][key] = pasted(made["configuration"][key].as_str().unwrap()).into();
        }
        ok(broker.client.call(Method::POST, "/instances").json(&made)).await;
        let sent = vendor.requests().pop().unwrap();
        assert!(
            !["%20", "%0A", "%0D", "%09", "%C2%A0", "%E2%80%8B", "%EF%BB%BF"]
                .iter()
                .any(|odd| sent.contains(odd)),
            "{sent}"
        );
    }
    for inside in ["the key", "the\nkey", "the\u{200b}key"] {
        let refused =
            redirect_url(&broker, json!({"apiKey": inside, "callbackUrl": CALLBACK})).await.unwrap_err();
        assert!(
            refused.0 == 400 && refused.1["message"].as_str().unwrap().starts_with("apiKey"),
            "{refused:?}"
        );
        let mut made = body("faulty", "another-code", "Name");
        made["configuration"]["oauth.api.key"] = inside.into();
        let (status, answer) = outcome(broker.client.call(Method::POST, "/instances").json(&made)).await;
        assert!(status == 400 && answer["message"].as_str().unwrap().contains("oauth.api.key"), "{answer}");
    }
}

#[tokio::test]
async fn a_scope_is_joined_as_the_vendor_wants_it_or_refused() {
    let (_vendor, broker) = started().await;
    let asked = async |scope: Value| {
        redirect_url(&broker, json!({"apiKey": "k", "callbackUrl": CALLBACK, "scope": scope})).await
    };
    for scope in [json!(["c", "d"]), json!("c d"), json!(" c  d ")] {
        let url = asked(scope.clone()).await.unwrap();
        assert_eq!(parameter(&url, "scope").as_deref(), Some("c d"), "{scope}");
    }
    for scope in [json!(7), json!({"c": 1}), json!(["c", 7])] {
        assert_eq!(asked(scope.clone()).await.unwrap_err().0, 400, "{scope}");
        let link = broker.client.call(Method::POST, "/elements/faulty/links");
        let link = link
            .json(&json!({"scope": scope, "configuration": {"oauth.api.key": "k", "oauth.api.secret": "s"}}));
        assert_eq!(outcome(link).await.0, 400, "{scope}");
    }
}

#[tokio::test]
async fn a_challenge_that_no_verifier_can_have_is_refused() {
    let (_vendor, broker) = started().await;
    let asked = async |challenge: &str, method: Value| {
        let members = json!({
            "apiKey": "k", "callbackUrl": CALLBACK, "codeChallenge": challenge, "codeChallengeMethod": method,
        });
        redirect_url(&broker, members).await.map_err(|refused| refused.0)
    };
    let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    for (challenge, method) in [(good, json!("S256")), (good, Value::Null)] {
        asked(challenge, method).await.unwrap();
    }
    for (challenge, method) in [
        ("abc", Value::Null),
        (good, json!("plain")),
        (&good[1..], json!("S256")),
        (&"a".repeat(129), json!("S256")),
        (&good.replace('-', "+"), json!("S256")),
    ] {
        assert_eq!(asked(challenge, method.clone()).await.unwrap_err(), 400, "{challenge} {method}");
    }
}
