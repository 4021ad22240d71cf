//! `GET /instances/count`: how many instances the calling user has.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance;
use valetkey::wire::InstanceCount;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.caller(call).await?.user;
    let counts = instance::count(&*app.registry, user.id).await?;
    http::json(&InstanceCount::new(&counts, &app.catalogue))
}
