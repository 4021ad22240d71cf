//! Instances: made from a code, listed, shown, deleted, and asked for their access token.

mod access_token;
mod create;
mod delete;
mod draft;
mod list;
mod show;

use lambda_http::http::Method;
use valetkey::app::App;
use valetkey::http::Route;

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    Route {
        method: Method::POST,
        path: "/instances",
        handle: |app, call| Box::pin(create::handle(app, call)),
    },
    Route {
        method: Method::POST,
        path: "/elements/{keyOrId}/instances",
        handle: |app, call| Box::pin(create::handle(app, call)),
    },
    Route { method: Method::GET, path: "/instances", handle: |app, call| Box::pin(list::handle(app, call)) },
    Route {
        method: Method::GET,
        path: "/instances/{id}",
        handle: |app, call| Box::pin(show::handle(app, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/instances/{id}",
        handle: |app, call| Box::pin(delete::handle(app, call)),
    },
    Route {
        method: Method::GET,
        path: "/instances/{id}/access-token",
        handle: |app, call| Box::pin(access_token::of_id(app, call)),
    },
    Route {
        method: Method::GET,
        path: "/instances/access-token",
        handle: |app, call| Box::pin(access_token::of_token(app, call)),
    },
];
