//! The sandbox's token and revocation endpoints, as strict as the vendor it plays: a form only, the
//! client in the body for a code and in the header for a refresh.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::ledger::{Client, Pair, Refusal};
use super::{Sandbox, api, ledger};

/// A client secret that begins so is refused, so that a wrong secret can be tried.
const WRONG: &str = "wrong";

type Parameters = HashMap<String, String>;

/// Exchanges a code or refreshes (RFC 6749 sections 4.1.3 and 6).
pub(super) async fn token(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = match form(&headers, &body) {
        Ok(parameters) => match parameters.get("grant_type").map(String::as_str) {
            Some("authorization_code") => exchange(&sandbox, parameters).await,
            Some("refresh_token") => refresh(&sandbox, &headers, parameters).await,
            _ => refuse(
                400,
                "unsupported_grant_type",
                "grant_type must be authorization_code or refresh_token",
            ),
        },
        Err(refusal) => *refusal,
    };
    tokio::time::sleep(sandbox.habits.latency).await;
    answer
}

/// Revokes a grant (RFC 7009); an unknown token is no error.
pub(super) async fn revoke(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = match (form(&headers, &body), basic(&headers)) {
        (Ok(mut parameters), Some(client)) => {
            let token = parameters.remove("token").unwrap_or_default();
            match sandbox.ledger.revoke(token, client).await {
                Ok(()) => StatusCode::OK.into_response(),
                Err(error) => api::failed(&error),
            }
        }
        (Err(refusal), _) => *refusal,
        (_, None) => bad_client("the client must be in an Authorization: Basic header"),
    };
    tokio::time::sleep(sandbox.habits.latency).await;
    answer
}

async fn exchange(sandbox: &Sandbox, mut parameters: Parameters) -> Response {
    let mut take = |name: &str| parameters.remove(name).filter(|value| !value.is_empty());
    let (id, secret) = (take("client_id"), take("client_secret"));
    let Some((id, secret)) = id.zip(secret).filter(|(_, secret)| !secret.starts_with(WRONG)) else {
        return bad_client("client_id and client_secret must be in the body");
    };
    let (code, redirect_uri) = (take("code").unwrap_or_default(), take("redirect_uri").unwrap_or_default());
    let client = Client { id, secret };
    let now = sandbox.clock.now();
    answer(sandbox, sandbox.ledger.exchange(code, redirect_uri, client, &sandbox.habits, now).await)
}

async fn refresh(sandbox: &Sandbox, headers: &HeaderMap, mut parameters: Parameters) -> Response {
    let Some(client) = basic(headers).filter(|client| !client.secret.starts_with(WRONG)) else {
        return bad_client("the client must be in an Authorization: Basic header");
    };
    let Some(token) = parameters.remove("refresh_token").filter(|token| !token.is_empty()) else {
        return refuse(400, "invalid_request", "Invalid Refresh Token");
    };
    answer(sandbox, sandbox.ledger.refresh(token, client, &sandbox.habits, sandbox.clock.now()).await)
}

fn answer(sandbox: &Sandbox, outcome: Result<Result<Pair, Refusal>, broker::store::StoreError>) -> Response {
    match outcome {
        Err(error) => api::failed(&error),
        Ok(Err(Refusal::Code)) => refuse(400, "invalid_grant", "Authorization code is invalid"),
        Ok(Err(Refusal::RefreshToken)) => refuse(400, "invalid_grant", "Invalid refresh token"),
        Ok(Err(Refusal::Client)) => {
            refuse(401, "invalid_grant", "Unable to authenticate username and password")
        }
        Ok(Ok(pair)) => {
            let body = json!({
                "access_token": pair.access,
                "token_type": "bearer",
                "expires_in": sandbox.habits.access_lifetime,
                "refresh_token": pair.refresh,
                "scope": ledger::scope(),
            });
            ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
    }
}

fn form(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Box<Response>> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        let answer = refuse(400, "invalid_request", "The body must be application/x-www-form-urlencoded");
        return Err(Box::new(answer));
    }
    Ok(url::form_urlencoded::parse(body).into_owned().collect())
}

fn basic(headers: &HeaderMap) -> Option<Client> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        url::form_urlencoded::parse(format!("x={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    let client = Client { id: decoded(id)?, secret: decoded(secret)? };
    Some(client).filter(|client| !client.id.is_empty() && !client.secret.is_empty())
}

fn bad_client(why: &str) -> Response {
    refuse(401, "invalid_client", why)
}

fn refuse(status: u16, error: &str, description: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({ "error": error, "error_description": description }))).into_response()
}
