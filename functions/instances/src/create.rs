//! `POST /instances` and `POST /elements/{keyOrId}/instances`: a code becomes an instance.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::client;
use valetkey::creation;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::wire::InstanceBody;

use crate::draft;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.user(call).await?;
    let body = call.object()?;
    let draft = draft::read(&app.catalogue, call.parameter("keyOrId"), &body)?;
    if let Some(id) = &draft.app {
        client::find(&*app.registry, user.id, draft.element, id).await?;
    }
    let instance = creation::create(app, user.id, draft, call.watch).await?;
    http::json(&InstanceBody::new(&instance, app.token(&instance)?, &app.catalogue, &user))
}
