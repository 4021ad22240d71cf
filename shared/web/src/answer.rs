//! Answers in the contract's shape.

use broker::random;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use lambda_http::{Body, Response};
use payloads::error::Failure;
use serde::Serialize;

use crate::error::Error;

/// What a handler gives.
pub type Answer = Result<Response<Body>, Error>;

/// The headers that a page's script may read, besides the harmless ones.
const EXPOSED: &str = "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, \
                       Elements-Next-Page-Token, Elements-Trace-Id, Elements-Error, Content-Disposition";

/// The header that names a request, on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("elements-request-id");
/// The header that says where the next page begins.
pub const NEXT_PAGE: HeaderName = HeaderName::from_static("elements-next-page-token");
/// The header that counts what this page holds.
pub const RETURNED_COUNT: HeaderName = HeaderName::from_static("elements-returned-count");
/// The header that counts what all pages hold.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("elements-total-count");

/// Answers 200 with a JSON body that nobody may keep.
pub fn json(value: &impl Serialize) -> Answer {
    let body = serde_json::to_string(value).map_err(|error| broker::Error::Internal(error.to_string()))?;
    Ok(response(StatusCode::OK, body.into()))
}

/// Answers 200 with a part of a list, and says where the next part begins.
pub fn list(part: &[impl Serialize], next: Option<&str>) -> Answer {
    let mut response = json(&part)?;
    response.headers_mut().insert(RETURNED_COUNT, part.len().into());
    if let Some(next) = next {
        response.headers_mut().insert(NEXT_PAGE, header(next));
    }
    Ok(response)
}

/// Answers 200 with no body.
pub fn empty() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// Writes a header's value; what cannot be one becomes empty.
pub fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))
}

fn response(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// Answers for a request that reaches no router.
pub fn refuse(error: impl Into<Error>) -> Response<Body> {
    refuse_as(error, &random::id())
}

/// Answers for a request that reaches no router and has an id already.
pub fn refuse_as(error: impl Into<Error>, request_id: &str) -> Response<Body> {
    finished(Err(error.into()), request_id)
}

/// Gives an answer of the API its number, and lets other sites' scripts read it.
pub(crate) fn finished(outcome: Answer, request_id: &str) -> Response<Body> {
    let mut response = outcome.unwrap_or_else(|error| refusal(&error, request_id));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, header(request_id));
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-expose-headers", HeaderValue::from_static(EXPOSED));
    response
}

/// Turns an error into its answer; what is ours to mend goes to the log.
fn refusal(error: &Error, request_id: &str) -> Response<Body> {
    let status = error.status();
    if status.is_server_error() {
        let fault = error.is_fault();
        let server_error = fault.then_some(1);
        tracing::error!(status = status.as_u16(), fault, count.ServerError = server_error, cause = ?error, "failed");
    }
    let broker = if let Error::Broker(error) = error { Some(error) } else { None };
    let body = Failure {
        request_id: request_id.to_owned(),
        message: error.to_string(),
        provider_message: broker.and_then(broker::Error::provider_message).map(str::to_owned),
    };
    let mut response = response(status, serde_json::to_string(&body).unwrap_or_default().into());
    if let Some(seconds) = broker.and_then(broker::Error::retry_after) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Error::MethodNotAllowed { allow, .. } = error {
        response.headers_mut().insert(ALLOW, header(allow));
    }
    response
}
