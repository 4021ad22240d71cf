//! `POST /users`: another user, whose secret is told this once.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::body;
use valetkey::clean::line;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::random;
use valetkey::user::{self, User};
use valetkey::wire::NewUser;

use crate::draft;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let admin = app.admin(call).await?;
    let sent = call.object()?;
    let missing = || Error::Invalid("Missing emailAddress".into());
    let email_address = draft::email_address(&sent)?.ok_or_else(missing)?;
    let name = |field| Ok::<_, Error>(line(sent.get(field), field)?.unwrap_or_default());
    let (first_name, last_name) = (name("firstName")?, name("lastName")?);
    let is_admin = body::truth(&sent, "admin")?.unwrap_or_default();
    let user = User {
        id: app.registry.next("user").await?,
        email_address,
        first_name,
        last_name,
        admin: is_admin,
        organization: admin.organization,
        ..User::default()
    };
    let secret = random::secret();
    user::add(&*app.registry, &user, &secret.clone().into()).await?;
    http::json(&NewUser::new(&user, &secret))
}
