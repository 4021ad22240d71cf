//! `DELETE /instances/{id}`: the grant is revoked where it can be, then forgotten.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::removal;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    removal::remove(app, &instance).await?;
    Ok(http::empty())
}
