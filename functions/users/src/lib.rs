//! Users: who may call. For admins alone.

mod change;
mod create;
mod draft;
mod list;
mod remove;
mod secret;
mod show;

use lambda_http::http::Method;
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{Call, Route};

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    Route { method: Method::POST, path: "/users", handle: |app, call| Box::pin(create::handle(app, call)) },
    Route { method: Method::GET, path: "/users", handle: |app, call| Box::pin(list::handle(app, call)) },
    Route { method: Method::GET, path: "/users/{id}", handle: |app, call| Box::pin(show::handle(app, call)) },
    Route {
        method: Method::PATCH,
        path: "/users/{id}",
        handle: |app, call| Box::pin(change::patch(app, call)),
    },
    Route {
        method: Method::PUT,
        path: "/users/{id}",
        handle: |app, call| Box::pin(change::patch(app, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/users/{id}",
        handle: |app, call| Box::pin(remove::handle(app, call)),
    },
    Route {
        method: Method::PUT,
        path: "/users/{id}/enabled",
        handle: |app, call| Box::pin(change::enable(app, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/users/{id}/enabled",
        handle: |app, call| Box::pin(change::disable(app, call)),
    },
    Route {
        method: Method::POST,
        path: "/users/{id}/secret",
        handle: |app, call| Box::pin(secret::handle(app, call)),
    },
    Route {
        method: Method::GET,
        path: "/users/{id}/return-urls",
        handle: |app, call| Box::pin(show::return_urls(app, call)),
    },
    Route {
        method: Method::PUT,
        path: "/users/{id}/return-urls",
        handle: |app, call| Box::pin(change::return_urls(app, call)),
    },
];

/// Reads the user's number out of the path.
fn id(call: &Call) -> Result<u64, Error> {
    let given = call.parameter("id");
    given.parse().ok().filter(|id: &u64| id.to_string() == given).ok_or_else(|| unknown(given))
}

fn unknown(id: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("No user found with ID {id}"))
}
