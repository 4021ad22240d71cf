//! `POST /users/{id}/secret`: a new secret in the place of a leaked one.

use lambda_http::{Body, Response};
use secrecy::ExposeSecret;
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::user;
use valetkey::wire::NewUser;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    app.admin(call).await?;
    let id = crate::id(call)?;
    let (user, secret) = user::renew(&*app.registry, id).await?.ok_or_else(|| crate::unknown(id))?;
    http::json(&NewUser::new(&user, secret.expose_secret()))
}
