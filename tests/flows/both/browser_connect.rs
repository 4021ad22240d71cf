//! Hosted connect in a real browser, on a phone's width and a desk's: from a link through the sandbox's consent to
//! the result, and every page there is. axe-core finds nothing to complain of, and neither does the console.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{Html, Response};
use axum::routing::get;
use broker::hosted_connect::Branding;
use reqwest::Method;
use serde_json::{Value, json};
use tests::broker::{Broker, on_lambda};
use tests::client::{ok, outcome};
use tests::visitor::own_client;
use tokio::net::TcpListener;
use tokio::process::Command;
use web::page::{self, Notice};

/// Takes the steps, checks every page that is seen, and gives them.
async fn seen(name: &str, width: u32, steps: &Value) -> Vec<Value> {
    let npm = tests::tool_folder("npm");
    let stack = if on_lambda() { "lambda" } else { "local" };
    let screenshots = npm.join(format!("connect-{stack}-{name}-{width}"));
    let output = Command::new("node")
        .current_dir(&npm)
        .args(["visitor.mjs", &width.to_string(), screenshots.to_str().unwrap(), &steps.to_string()])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let seen: Value = serde_json::from_str(&printed)
        .unwrap_or_else(|_| panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(seen["complaints"], json!([]), "{name} at {width}");
    let pages = seen["pages"].as_array().unwrap().clone();
    for page in &pages {
        assert_eq!(
            (&page["violations"], &page["scrolls"]),
            (&json!([]), &json!(false)),
            "{name} at {width}: {page}"
        );
    }
    pages
}

fn title(page: &Value) -> &str {
    page["title"].as_str().unwrap()
}

#[tokio::test]
async fn a_visitor_goes_from_link_to_result_with_and_without_a_return_url() {
    let broker = Broker::start(&["--page-title", "Acme"]).await;
    let client = &broker.client;
    let back = format!("{}/sandbox/callback", client.base);
    client.allow(&[&back]).await;
    let mut connected = 0;
    for width in [390, 1280] {
        for (decision, headline) in
            [("Allow", "Infusionsoft is connected · Acme"), ("Deny", "Infusionsoft was not connected · Acme")]
        {
            let link = client.link("infusionsoftcrm", json!({})).await;
            let steps = json!([{"open": link["url"]}, {"press": decision}]);
            let pages = seen(&format!("page-{decision}"), width, &steps).await;
            assert_eq!(title(&pages[1]), headline);

            let link = client.link("infusionsoftcrm", json!({"returnUrl": back, "state": "mine"})).await;
            let steps = json!([{"open": link["url"]}, {"press": decision}]);
            let pages = seen(&format!("return-{decision}"), width, &steps).await;
            let url = pages[1]["url"].as_str().unwrap();
            let expected = if decision == "Allow" { "?instanceId=" } else { "?error=access_denied&" };
            assert!(url.starts_with(&format!("{back}{expected}")) && url.ends_with("&state=mine"), "{url}");
            connected += if decision == "Allow" { 2 } else { 0 };
        }
    }
    let list = ok(client.call(Method::GET, "/instances")).await;
    assert_eq!(list.as_array().unwrap().len(), connected);
}

#[tokio::test]
async fn a_visitor_who_denied_tries_again_and_reloads_the_result() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let link = client.link("infusionsoftcrm", json!({})).await;
    let steps = json!([{"open": link["url"]}, {"press": "Deny"}, {"press": "Try again"}, {"press": "Allow"}]);
    let pages = seen("again", 390, &steps).await;
    assert_eq!(title(&pages[3]), "Infusionsoft is connected · valetkey");
    let used = seen("used", 390, &json!([{"open": link["url"]}])).await;
    assert_eq!(title(&used[0]), "This link has been used · valetkey");
    assert_eq!(outcome(client.call(Method::GET, "/instances/count")).await.1["totalInstances"], 1);
}

#[tokio::test]
async fn a_visitor_fills_in_what_is_missing_by_keyboard() {
    let elements = tempfile::tempdir().unwrap();
    // The sandbox's Infusionsoft, but one that cannot be connected without the account's host.
    let plain = include_str!("../../../shared/vendors/descriptors/infusionsoft.toml");
    let asking =
        plain.replace("key = \"infusionsoft.server\"\n", "key = \"infusionsoft.server\"\nrequired = true\n");
    assert_ne!(asking, plain);
    let vendor = Broker::start(&[]).await;
    let base = &vendor.client.base;
    let asking = asking
        .replace("https://signin.infusionsoft.com/app/", &format!("{base}/sandbox/app/"))
        .replace("https://api.infusionsoft.com/", &format!("{base}/sandbox/"));
    // On Lambda it takes the place of the one that the stack points at the sandbox.
    std::fs::write(elements.path().join("infusionsoft.toml"), asking).unwrap();
    let broker =
        Broker::start(&["--elements", elements.path().to_str().unwrap(), "--page-accent", "#ffcc00"]).await;
    let client = &broker.client;
    for width in [390, 1280] {
        let link = client.link("infusionsoftcrm", json!({"configuration": own_client()})).await;
        let steps = json!([
            {"open": link["url"]},
            {"fill": {"infusionsoft.server": "evil.example"}}, {"press": "Continue to Infusionsoft"},
            {"fill": {"infusionsoft.server": "DT123"}}, {"press": "Continue to Infusionsoft"},
            {"press": "Allow"},
        ]);
        let pages = seen("form", width, &steps).await;
        let titles: Vec<_> = pages.iter().map(title).collect();
        let form = "Connect Infusionsoft · valetkey";
        assert_eq!(titles[..2], [form, form]);
        assert!(pages[2]["url"].as_str().unwrap().contains("/sandbox/app/oauth/authorize?"));
        assert_eq!(titles[3], "Infusionsoft is connected · valetkey");
    }
    let list = ok(client.call(Method::GET, "/instances")).await;
    assert_eq!(list[0]["configuration"]["infusionsoft.server"], "dt123.infusionsoft.com");
}

async fn lure(Query(target): Query<BTreeMap<String, String>>) -> Html<String> {
    let address = json!(target["to"]);
    Html(format!(
        "<!doctype html><html lang=en><title>A lure</title><body><main><h1>A lure</h1></main><script>location = {address}</script>"
    ))
}

#[tokio::test]
async fn a_visitor_whom_another_site_sends_here_is_asked_first() {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    // Another site by its name, though it is on this machine too.
    let site = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let routes = Router::new().route("/", get(lure));
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    for width in [390, 1280] {
        let link = client.link("infusionsoftcrm", json!({})).await;
        let open = format!("{site}/?to={}", link["url"].as_str().unwrap());
        let steps = json!([
            {"open": open, "until": "Connect Infusionsoft"}, {"press": "Continue to Infusionsoft"}, {"press": "Allow"},
        ]);
        let pages = seen("lured", width, &steps).await;
        assert_eq!(title(&pages[2]), "Infusionsoft is connected · valetkey");
    }
    serving.abort();
}

/// Every page that a flow can end on.
fn notices() -> Vec<Notice<'static>> {
    let (vendor, again) = ("Infusionsoft", "/connect/1-a");
    let said = Some("Authorization code is invalid <b>averyveryveryveryveryveryveryverylongword</b>");
    vec![
        Notice::Connected { vendor },
        Notice::Denied { vendor, again },
        Notice::Failed { vendor, again, said },
        Notice::Failed { vendor, again, said: None },
        Notice::Unknown { vendor },
        Notice::TookTooLong { again },
        Notice::Astray { said: None },
        Notice::OtherBrowser,
        Notice::NoLink,
        Notice::OldLink,
        Notice::UsedLink,
        Notice::UnderWay,
        Notice::OurFault { number: "5fa35c645467307cb0ed3142bdb96ef7" },
    ]
}

async fn shown(Path(number): Path<usize>) -> Response {
    let branding = Branding::new(Some("Acme Marketing".into()), Some("#7a1f5c")).unwrap();
    page::show(&branding, &notices()[number]).map(|body| axum::body::Body::from(body.to_vec()))
}

#[tokio::test]
async fn every_page_can_be_read_by_everybody() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/page/{number}", get(shown));
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let steps: Vec<_> =
        (0..notices().len()).map(|number| json!({"open": format!("{base}/page/{number}")})).collect();
    for width in [390, 1280] {
        let pages = seen("notice", width, &json!(steps)).await;
        assert!(pages.iter().all(|page| title(page).ends_with(" · Acme Marketing")));
    }
    serving.abort();
}
