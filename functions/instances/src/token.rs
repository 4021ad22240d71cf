//! `POST /instances/{id}/token`: a new element token in the place of a leaked one.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance;
use valetkey::wire::InstanceBody;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (user, instance) = app.instance(call).await?;
    let instance = instance::renew_token(&*app.registry, &instance, app.token_keys.current()).await?;
    http::json(&InstanceBody::new(&instance, app.token(&instance)?, &app.catalogue, &user))
}
