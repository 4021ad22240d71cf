//! `PUT` and `PATCH /instances/{id}`: another name, tags or configuration, and a new consent; with
//! `reAuthenticate=true` and no code the grant is refreshed.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::body;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance;
use valetkey::renewal::{self, Ask};
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
    let sent = call.object()?;
    let revision = draft::revision(element, &sent, whole)?;
    let named = body::text(sent.get("appId")).filter(|id| !id.is_empty());
    if named.is_some() && named != instance.app {
        return Err(Error::Invalid(
            "`appId` of an instance cannot be changed; oauth.api.key and oauth.api.secret give it a client of its own"
                .into(),
        ));
    }
    let again = call.query("reAuthenticate").is_some_and(|said| said.eq_ignore_ascii_case("true"));
    let refresh = again && revision.proof.is_none();
    let mut instance = revise(app, instance, &revision, call.watch).await?;
    if refresh {
        let (user, id) = (instance.user, instance.id);
        renewal::live(app, instance, Ask::New, call.watch).await?;
        instance = instance::find(&*app.registry, user, id).await?.ok_or_else(|| instance::unknown(id))?;
    }
    http::json(&InstanceBody::new(&instance, app.token(&instance)?, &app.catalogue, &user))
}
