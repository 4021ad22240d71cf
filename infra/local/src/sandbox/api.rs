//! The sandbox's API, which answers only to a live access token, and what it has seen.

use axum::Json;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use broker::store::StoreError;
use serde_json::json;

use super::{Sandbox, TENANT};

/// Tells whose account an access token is for.
pub(super) async fn userinfo(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = token.map(|(_, token)| token.trim().to_owned()).unwrap_or_default();
    let admitted = sandbox.ledger.admits(token, sandbox.clock.now()).await;
    tokio::time::sleep(sandbox.habits.latency).await;
    match admitted {
        Ok(true) => {
            let body = json!({
                "email": "someone@example.com", "given_name": "Someone", "family_name": "Pretend",
                "global_user_id": 1, "sub": "1", "tenant": TENANT,
            });
            Json(body).into_response()
        }
        Ok(false) => {
            let body = json!({"error": "invalid_token", "error_description": "The access token is unknown, expired or revoked"});
            (StatusCode::UNAUTHORIZED, Json(body)).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Tells what the sandbox has seen since its database was made.
pub(super) async fn stats(State(sandbox): State<Sandbox>) -> Response {
    match sandbox.ledger.stats().await {
        Ok(stats) => Json(stats).into_response(),
        Err(error) => failed(&error),
    }
}

/// Answers for a sandbox that cannot read or write its database.
pub(super) fn failed(error: &StoreError) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    (status, Json(json!({"error": "server_error", "error_description": error.to_string()}))).into_response()
}
