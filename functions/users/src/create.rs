//! `POST /users`: another user, whose secret is told this once.

use broker::Broker;
use broker::Error;
use broker::record::user::{self, User};
use web::body;
use web::clean::line;
use web::show;
use web::{Answer, Call, answer};

use crate::draft;

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let admin = broker.admin(&call.credentials()?).await?;
    let sent = call.object()?;
    let missing = || Error::Invalid("Missing emailAddress".into());
    let email_address = draft::email_address(&sent)?.ok_or_else(missing)?;
    let name = |field| Ok::<_, Error>(line(sent.get(field), field)?.unwrap_or_default());
    let (first_name, last_name) = (name("firstName")?, name("lastName")?);
    let is_admin = body::truth(&sent, "admin")?.unwrap_or_default();
    let user = User {
        email_address,
        first_name,
        last_name,
        admin: is_admin,
        organization: admin.organization,
        ..User::default()
    };
    let (user, secret) = user::add(&*broker.registry, user).await?;
    answer::json(&show::user::new_user(&user, &secret))
}
