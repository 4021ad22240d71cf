//! The same flow against an authorization server that others wrote: PKCE required, rotation on. It is
//! an element by one descriptor; no code knows it.

use reqwest::Method;
use tests::broker::Broker;
use tests::client::{body, ok, outcome, parameter};
use tests::oidc::OidcProvider;

const ELEMENT: &str = "oidcprovider";

#[tokio::test]
async fn a_certified_server_gives_an_instance_and_takes_its_access_token() {
    let server = OidcProvider::start().await;
    let broker = Broker::start(&["--elements", server.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    let callback = server.consent(&client.oauth_url(ELEMENT).await).await;
    assert_eq!(parameter(&callback, "state").as_deref(), Some("my state"));
    assert_eq!(parameter(&callback, "iss").as_deref(), Some(server.issuer.as_str()));
    let code = parameter(&callback, "code").unwrap();
    let instance = ok(client.create(ELEMENT, &code, "Real")).await;
    let access = client.access_token(&instance["id"]).await;
    assert_eq!(server.userinfo(&access).await, 200);

    let deleted =
        client.call(Method::DELETE, &format!("/instances/{}", instance["id"])).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    assert_eq!(server.userinfo(&access).await, 401, "the whole grant is revoked");
}

#[tokio::test]
async fn a_caller_may_keep_the_code_verifier_itself() {
    let server = OidcProvider::start().await;
    let broker = Broker::start(&["--elements", server.elements.path().to_str().unwrap()]).await;
    let client = &broker.client;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = vendors::pkce::challenge(verifier);
    let path = format!(
        "/elements/{ELEMENT}/oauth/url?apiKey={}&callbackUrl={}&codeChallenge={challenge}",
        tests::client::API_KEY,
        tests::client::CALLBACK
    );
    let oauth_url = ok(client.bare(Method::GET, &path)).await["oauthUrl"].as_str().unwrap().to_owned();
    assert!(oauth_url.contains(&challenge));
    for (given, expected) in [("another-verifier-another-verifier-another-verifier", 400), (verifier, 200)] {
        let code = parameter(&server.consent(&oauth_url).await, "code").unwrap();
        let mut sent = body(ELEMENT, &code, "PKCE");
        sent["providerData"]["codeVerifier"] = given.into();
        assert_eq!(outcome(client.call(Method::POST, "/instances").json(&sent)).await.0, expected);
    }
}
