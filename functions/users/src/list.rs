//! `GET /users`: all users, by number.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::user;
use valetkey::wire::UserRecord;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    app.admin(call).await?;
    let refuse = |_| Error::Invalid("nextPage must be what Elements-Next-Page-Token said".into());
    let after = call.query("nextPage").map(|given| given.parse().map_err(refuse)).transpose()?;
    let (users, more) = user::list(&*app.registry, after, call.page_size()?).await?;
    let next = users.last().filter(|_| more).map(|last| last.id.to_string());
    http::list(&users.iter().map(UserRecord::new).collect::<Vec<_>>(), next.as_deref())
}
