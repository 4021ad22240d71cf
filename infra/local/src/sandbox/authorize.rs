//! The sandbox's authorization endpoint (RFC 6749 section 4.1.1): a consent page, and what follows it.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Deserialize;
use url::Url;

use super::page::page;
use super::{Sandbox, TENANT, api, ledger};

/// An authorization request as the browser brings it.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    state: String,
}

/// What the person decided.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    #[serde(default)]
    decision: String,
}

/// What the browser brings back to an app: from the vendor, or from hosted connect.
#[derive(Debug, Deserialize)]
pub(super) struct Returned {
    #[serde(default, rename = "instanceId")]
    instance_id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Shows the consent page.
pub(super) async fn ask(Query(request): Query<Request>) -> Response {
    let back = match checked(&request) {
        Ok(back) => back,
        Err(refusal) => return *refusal,
    };
    let content = html! {
        p { "An app asks to act in your account until you take that back." }
        dl {
            dt { "App" } dd { (request.client_id) }
            dt { "Account" } dd { (TENANT) }
            dt { "It may" } dd { "read and change everything (scope full)" }
            dt { "You return to" } dd { (back.host_str().unwrap_or_default()) }
        }
        form method="post" {
            button.allow name="decision" value="allow" { "Allow" }
            button.deny name="decision" value="deny" { "Deny" }
        }
    };
    page(StatusCode::OK, "Allow access to your account?", &content)
}

/// Sends the browser back to the app with a code, or with the person's refusal.
pub(super) async fn decide(
    State(sandbox): State<Sandbox>,
    Query(request): Query<Request>,
    Form(Decision { decision }): Form<Decision>,
) -> Response {
    let mut back = match checked(&request) {
        Ok(back) => back,
        Err(refusal) => return *refusal,
    };
    let mut answer = if decision == "allow" {
        let now = sandbox.clock.now();
        match sandbox.ledger.issue_code(request.client_id, request.redirect_uri, now).await {
            Ok(code) => vec![("code", code), ("scope", ledger::scope())],
            Err(error) => return api::failed(&error),
        }
    } else {
        let words = "The user denied the request";
        vec![("error", "access_denied".to_owned()), ("error_description", words.to_owned())]
    };
    if !request.state.is_empty() {
        answer.push(("state", request.state));
    }
    back.query_pairs_mut().extend_pairs(answer);
    (StatusCode::SEE_OTHER, [(LOCATION, back.as_str()), (CACHE_CONTROL, "no-store")]).into_response()
}

/// Stands in for an app's callback page, so that the flow can be tried without an app.
pub(super) async fn callback(Query(returned): Query<Returned>) -> Response {
    if !returned.error.is_empty() {
        let content = html! {
            p { "Your app would now read " code { "error" } " from the address, and tell the user that nothing was connected." }
            dl { dt { "error" } dd { (returned.error) } dt { "error_description" } dd { (returned.error_description) } }
        };
        return page(StatusCode::OK, "Access was denied", &content);
    }
    if !returned.instance_id.is_empty() {
        let content = html! {
            p { "Your app would now read " code { "instanceId" } " from the address: the account is connected." }
            dl { dt { "instanceId" } dd { (returned.instance_id) } dt { "state" } dd { (returned.state) } }
        };
        return page(StatusCode::OK, "The account is connected", &content);
    }
    let content = html! {
        p { "Your app would now read " code { "code" } " from the address and send it to " code { "POST /instances" } "." }
        dl { dt { "code" } dd { (returned.code) } dt { "state" } dd { (returned.state) } }
        p { "In the terminal:" }
        pre { "CODE=" (returned.code) }
    };
    page(StatusCode::OK, "Access was allowed", &content)
}

/// Lets through a request that may be answered by a redirect; any other gets a page, since its
/// redirect URI cannot be trusted (RFC 6749 section 4.1.2.1).
fn checked(request: &Request) -> Result<Url, Box<Response>> {
    let refuse = |why: &str| {
        Err(Box::new(page(StatusCode::BAD_REQUEST, "This link does not work", &html! { p { (why) } })))
    };
    if request.client_id.is_empty() {
        return refuse("It names no client_id.");
    }
    if request.response_type != "code" {
        return refuse("Its response_type is not code.");
    }
    match Url::parse(&request.redirect_uri) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(url),
        _ => refuse("Its redirect_uri is not an absolute http or https URL."),
    }
}
