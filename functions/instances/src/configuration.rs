//! `GET /instances/{id}/configuration`, and `GET` and `PATCH` of one entry.

use std::collections::BTreeMap;

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance::Instance;
use valetkey::revision::{Revision, revise};
use valetkey::wire::ConfigurationEntry;

pub(crate) async fn list(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    http::json(&entries(app, &instance)?)
}

pub(crate) async fn show(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    http::json(&entry(app, call, &instance)?)
}

/// Changes the value of one entry: `propertyValue` in the body.
pub(crate) async fn patch(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    let key = entry(app, call, &instance)?.key().to_owned();
    let body = call.object()?;
    let value = match body.get("propertyValue") {
        Some(serde_json::Value::Null) => None,
        Some(value) => Some(
            http::text(value).ok_or_else(|| Error::Invalid("`propertyValue` must be text or null".into()))?,
        ),
        None => return Err(Error::Invalid("Missing propertyValue".into())),
    };
    let configuration = Some(BTreeMap::from([(key, value)]));
    let revision = Revision { configuration, ..Revision::default() };
    let instance = revise(app, instance, &revision, call.watch).await?;
    http::json(&entry(app, call, &instance)?)
}

fn entries<'a>(app: &'a App, instance: &'a Instance) -> Result<Vec<ConfigurationEntry<'a>>, Error> {
    Ok(ConfigurationEntry::all(app.catalogue.element(&instance.element)?, instance))
}

/// Finds the entry whose id, or key, the path names.
fn entry<'a>(app: &'a App, call: &Call, instance: &'a Instance) -> Result<ConfigurationEntry<'a>, Error> {
    let named = call.parameter("configurationId");
    let found = entries(app, instance)?.into_iter().find(|entry| entry.is(named));
    found.ok_or_else(|| Error::NotFound(format!("No configuration found with ID {named}")))
}
