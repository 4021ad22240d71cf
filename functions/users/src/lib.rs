//! Users: who may call. For admins alone.

mod change;
mod create;
mod draft;
mod list;
mod remove;
mod secret;
mod show;

use broker::Broker;
use broker::Error;
use broker::id::UserId;
use web::{Call, Route, route};

/// The routes that this function answers.
pub const ROUTES: &[Route<Broker>] = &[
    route!(POST "/users", create::handle),
    route!(GET "/users", list::handle),
    route!(GET "/users/{id}", show::handle),
    route!(PATCH "/users/{id}", change::patch),
    route!(PUT "/users/{id}", change::patch),
    route!(DELETE "/users/{id}", remove::handle),
    route!(PUT "/users/{id}/enabled", change::enable),
    route!(DELETE "/users/{id}/enabled", change::disable),
    route!(POST "/users/{id}/secret", secret::handle),
    route!(GET "/users/{id}/return-urls", show::return_urls),
    route!(PUT "/users/{id}/return-urls", change::return_urls),
];

/// Reads the user's number out of the path.
fn id(call: &Call) -> Result<UserId, Error> {
    let given = call.parameter("id");
    UserId::parse(given).ok_or_else(|| unknown(given))
}

fn unknown(id: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("No user found with ID {id}"))
}
