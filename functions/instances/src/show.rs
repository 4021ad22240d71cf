//! `GET /instances/{id}`: one instance.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::wire::InstanceBody;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (user, instance) = app.instance(call).await?;
    http::json(&InstanceBody::new(&instance, app.token(&instance)?, &app.catalogue, &user))
}
