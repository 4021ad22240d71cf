//! The SDK's requests, sent by the same HTTP and TLS stack as the vendors'.
//!
//! Connections are kept, unlike those to vendors: the SDK repeats what a stale one has lost, and every
//! write of the stores may be repeated.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use vendors::client::tls::{self, BuildError};

/// How long an unused connection is kept: shorter than the services keep it.
const IDLE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
struct Connector(reqwest::Client);

/// Builds the SDK's HTTP client.
pub(crate) fn client(connect: Duration) -> Result<SharedHttpClient, BuildError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client()?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .connect_timeout(connect)
        .build()
        .map_err(|error| BuildError::new(&error))?;
    let connector = SharedHttpConnector::new(Connector(client));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(send(client, request))
    }
}

/// Sends a request, whose body is in memory, and reads the whole answer: the stores stream nothing.
async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let unusable = |error| ConnectorError::user(error);
    let request = request.try_into_http1x().map_err(|error| unusable(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().ok_or_else(|| unusable("a body that is not in memory".into()))?.to_vec();
    let request = reqwest::Request::try_from(lambda_http::http::Request::from_parts(parts, body))
        .map_err(|error| unusable(error.into()))?;
    let mut response = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let body = SdkBody::from(response.bytes().await.map_err(failed)?);
    let mut answer = HttpResponse::new(status.into(), body);
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            answer.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}

/// Sorts a failure for the SDK, which repeats those of the connection.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}
