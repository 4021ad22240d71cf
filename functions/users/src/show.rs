//! `GET /users/{id}`, and its return URLs.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::user;
use valetkey::user::User;
use valetkey::wire::{ReturnUrls, UserRecord};

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&UserRecord::new(&found(app, call).await?))
}

pub(crate) async fn return_urls(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&ReturnUrls::new(&found(app, call).await?))
}

async fn found(app: &App, call: &Call) -> Result<User, Error> {
    app.admin(call).await?;
    let id = crate::id(call)?;
    user::numbered(&*app.registry, id).await?.ok_or_else(|| crate::unknown(id))
}
