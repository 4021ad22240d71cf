//! `PUT` and `PATCH /instances/{id}`: another name, tags or configuration, and a new consent.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::revision::revise;
use valetkey::wire::InstanceBody;

use crate::draft;

pub(crate) async fn put(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    answer(app, call, true).await
}

pub(crate) async fn patch(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    answer(app, call, false).await
}

async fn answer(app: &App, call: &Call, whole: bool) -> Result<Response<Body>, Error> {
    let (user, instance) = app.instance(call).await?;
    let element = app.catalogue.element(&instance.element)?;
    let revision = draft::revision(element, &call.object()?, whole)?;
    if call.query("reAuthenticate").is_some_and(|said| said.eq_ignore_ascii_case("true")) {
        draft::require_code(&revision)?;
    }
    let instance = revise(app, instance, &revision, call.watch).await?;
    http::json(&InstanceBody::new(&instance, app.token(&instance)?, &app.catalogue, &user))
}
