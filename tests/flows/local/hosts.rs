//! Hosts that a caller names: normalised, matched to the descriptor's pattern, else refused with the value
//! and without a connection.

use serde_json::json;
use tests::client::{API_KEY, API_SECRET, CALLBACK};
use tests::inside::Inside;
use vendors::catalogue::Catalogue;

/// What is no host of any pattern, in every notation that has fooled somebody.
const ATTACKS: [&str; 23] = [
    "127.0.0.1",
    "127.1",
    "0177.0.0.1",
    "[::1]",
    "::ffff:127.0.0.1",
    "169.254.169.254",
    "10.0.0.1",
    "acme.zendesk.com:8443",
    "acme.zendesk.com/path",
    "acme.zendesk.com?x=1",
    "acme.zendesk.com#x",
    "user@acme.zendesk.com",
    "user:pw@acme.zendesk.com",
    "evil.com/.zendesk.com",
    "evil.com#.zendesk.com",
    "acme.zendesk.com.evil.com",
    "evilzendesk.com",
    "zendesk.com",
    "a.b.zendesk.com",
    "acme.zende\u{0455}k.com",
    "\u{ff41}cme.zendesk.com",
    "acme.zendesk.com\r\nHost: evil.com",
    "file:///etc/passwd",
];

fn inside() -> Inside {
    Inside::of(Catalogue::built_in())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn redirect(inside: &Inside, element: &str, name: &str, value: &str) -> (u16, serde_json::Value) {
    let tenant = encoded(value);
    let path = format!("/elements/{element}/oauth/url?apiKey=k&callbackUrl={CALLBACK}&{name}={tenant}");
    inside.call("GET", &path, None).await
}

#[tokio::test]
async fn a_host_as_people_write_it_becomes_the_one_that_is_meant() {
    let inside = inside();
    for name in ["siteAddress", "subdomain"] {
        for value in ["acme", "ACME.Zendesk.com", "https://acme.zendesk.com/", " acme.zendesk.com. "] {
            let (status, answer) = redirect(&inside, "zendesk", name, value).await;
            let url = answer["oauthUrl"].as_str().unwrap_or_default();
            assert!(status == 200 && url.starts_with("https://acme.zendesk.com/oauth/"), "{value}: {answer}");
        }
    }
    for label in ["localhost", "0x7f000001", "2130706433"] {
        let (_, answer) = redirect(&inside, "zendesk", "subdomain", label).await;
        let url = answer["oauthUrl"].as_str().unwrap();
        assert!(url.starts_with(&format!("https://{label}.zendesk.com/")), "a label, not an address: {url}");
    }
    let (_, answer) = redirect(&inside, "microsoft", "tenant", "contoso.example").await;
    assert!(answer["oauthUrl"].as_str().unwrap().contains("/contoso.example/oauth2/"), "{answer}");
    let (_, answer) = redirect(&inside, "sfdc", "siteAddress", "acme.my.salesforce.com").await;
    assert!(answer["oauthUrl"].as_str().unwrap().starts_with("https://acme.my.salesforce.com/"), "{answer}");
}

#[tokio::test]
async fn a_host_outside_the_pattern_is_refused_at_every_door() {
    let inside = inside();
    for value in ATTACKS {
        let (status, answer) = redirect(&inside, "zendesk", "subdomain", value).await;
        assert_eq!(status, 400, "{value:?}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains("zendesk.subdomain"), "{answer}");
        let body = json!({"providerData": {"code": "c"}, "configuration": {
            "oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET, "oauth.callback.url": CALLBACK,
            "zendesk.subdomain": value,
        }});
        let (status, answer) = inside.call("POST", "/elements/zendesk/instances", Some(&body)).await;
        assert_eq!(status, 400, "{value:?}: {answer}");
        let body = json!({"providerData": {"code": "c"}, "configuration": {
            "oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET, "oauth.callback.url": CALLBACK,
            "infusionsoft.server": value,
        }});
        let (status, answer) = inside.call("POST", "/elements/infusionsoftcrm/instances", Some(&body)).await;
        assert_eq!(status, 400, "{value:?}: {answer}");
    }
    for value in ["..", "a/b", "a%2Fb", "a b", "common/../x", "{tenant}", "\r\n", "\u{0455}"] {
        let (status, answer) = redirect(&inside, "microsoft", "tenant", value).await;
        let passed_over = value.trim().is_empty() && status == 200;
        assert!(status == 400 || passed_over, "{value:?}: {answer}");
    }
    let (status, _) = inside.call("GET", "/instances", None).await;
    assert_eq!(status, 404, "nothing was made");
}
