//! `PUT` and `PATCH /users/{id}`, and what has a path of its own: `enabled` and `return-urls`.

use lambda_http::{Body, Response};
use serde_json::json;
use valetkey::app::App;
use valetkey::body;
use valetkey::clean::line;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::registry::Change;
use valetkey::user;
use valetkey::user::User;
use valetkey::wire::{ReturnUrls, UserRecord};

use crate::draft;

/// Changes what the body names.
pub(crate) async fn patch(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let admin = app.admin(call).await?;
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
    http::json(&UserRecord::new(&made(app, call, change).await?))
}

pub(crate) async fn enable(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    app.admin(call).await?;
    made(app, call, Change::default().set("disabled", false)).await?;
    Ok(http::empty())
}

pub(crate) async fn disable(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    not_oneself(call, &app.admin(call).await?)?;
    made(app, call, Change::default().set("disabled", true)).await?;
    Ok(http::empty())
}

/// Replaces the return URLs whole.
pub(crate) async fn return_urls(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    app.admin(call).await?;
    let urls = draft::return_urls(&call.object()?)?;
    let user = made(app, call, Change::default().set("return_urls", json!(urls))).await?;
    http::json(&ReturnUrls::new(&user))
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

async fn made(app: &App, call: &Call, change: Change) -> Result<User, Error> {
    let id = crate::id(call)?;
    user::change(&*app.registry, id, change).await?.ok_or_else(|| crate::unknown(id))
}
