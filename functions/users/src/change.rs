//! `PUT` and `PATCH /users/{id}`, and what has a path of its own: `enabled` and `return-urls`.

use broker::Broker;
use broker::Error;
use broker::record::user;
use broker::record::user::User;
use broker::store::records::Change;
use serde_json::json;
use web::body;
use web::clean::line;
use web::show;
use web::{Answer, Call, answer};

use crate::draft;

/// Changes what the body names.
pub(crate) async fn patch(broker: &Broker, call: &Call) -> Answer {
    let admin = broker.admin(&call.credentials()?).await?;
    let sent = call.object()?;
    let mut change = Change::default();
    if let Some(address) = draft::email_address(&sent)? {
        change = change.set("email_address", address);
    }
    for (field, attribute) in [("firstName", "first_name"), ("lastName", "last_name")] {
        if let Some(name) = line(sent.get(field), field)? {
            change = change.set(attribute, name);
        }
    }
    for (field, dangerous) in [("admin", false), ("disabled", true)] {
        if let Some(truth) = body::truth(&sent, field)? {
            if truth == dangerous {
                not_oneself(call, &admin)?;
            }
            change = change.set(field, truth);
        }
    }
    answer::json(&show::user::user(&made(broker, call, change).await?))
}

pub(crate) async fn enable(broker: &Broker, call: &Call) -> Answer {
    broker.admin(&call.credentials()?).await?;
    made(broker, call, Change::default().set("disabled", false)).await?;
    Ok(answer::empty())
}

pub(crate) async fn disable(broker: &Broker, call: &Call) -> Answer {
    not_oneself(call, &broker.admin(&call.credentials()?).await?)?;
    made(broker, call, Change::default().set("disabled", true)).await?;
    Ok(answer::empty())
}

/// Replaces the return URLs whole.
pub(crate) async fn return_urls(broker: &Broker, call: &Call) -> Answer {
    broker.admin(&call.credentials()?).await?;
    let urls = draft::return_urls(&call.object()?)?;
    let user = made(broker, call, Change::default().set("return_urls", json!(urls))).await?;
    answer::json(&show::user::return_urls(&user))
}

/// An admin stays one, so that there is always somebody who can let others in.
pub(crate) fn not_oneself(call: &Call, admin: &User) -> Result<(), Error> {
    if crate::id(call)? == admin.id {
        return Err(Error::Conflict(
            "An admin cannot disable, demote or remove themselves; another admin can".into(),
        ));
    }
    Ok(())
}

async fn made(broker: &Broker, call: &Call, change: Change) -> Result<User, Error> {
    let id = crate::id(call)?;
    user::change(&*broker.registry, id, change).await?.ok_or_else(|| crate::unknown(id))
}
