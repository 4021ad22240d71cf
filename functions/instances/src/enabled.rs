//! `PUT` and `DELETE /instances/{id}/enabled`: an instance is switched on or off; its grant stays.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance;

pub(crate) async fn put(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    switch(app, call, true).await
}

pub(crate) async fn delete(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    switch(app, call, false).await
}

async fn switch(app: &App, call: &Call, on: bool) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    instance::switch(&*app.registry, &instance, on).await?;
    Ok(http::empty())
}
