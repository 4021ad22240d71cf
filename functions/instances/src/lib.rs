//! Instances: made from a code, listed, shown, changed, deleted, and asked for their access token. Beside them
//! what they are made with: the links that visitors open, and the apps that have a client's key and secret.
//!
//! What is about one instance is answered below `/instances/{id}`, below
//! `/elements/{keyOrId}/instances/{id}`, and, for whoever shows the instance's token, below `/instances`.

mod access_token;
mod apps;
mod configuration;
mod count;
mod create;
mod delete;
mod draft;
mod enabled;
mod links;
mod list;
mod revise;
mod show;
mod token;

use broker::Broker;
use broker::record::account::Account;
use broker::record::user::User;
use web::route;
use web::{Call, Route};

/// The routes that this function answers.
pub const ROUTES: &[Route<Broker>] = &[
    route!(POST "/instances", create::handle),
    route!(POST "/elements/{keyOrId}/instances", create::handle),
    route!(GET "/instances", list::handle),
    route!(GET "/elements/{keyOrId}/instances", list::handle),
    route!(GET "/instances/count", count::handle),
    route!(GET "/instances/{id}", show::handle),
    route!(GET "/elements/{keyOrId}/instances/{id}", show::handle),
    route!(PUT "/instances", revise::put),
    route!(PUT "/instances/{id}", revise::put),
    route!(PUT "/elements/{keyOrId}/instances/{id}", revise::put),
    route!(PATCH "/instances", revise::patch),
    route!(PATCH "/instances/{id}", revise::patch),
    route!(PATCH "/elements/{keyOrId}/instances/{id}", revise::patch),
    route!(DELETE "/instances", delete::handle),
    route!(DELETE "/instances/{id}", delete::handle),
    route!(DELETE "/elements/{keyOrId}/instances/{id}", delete::handle),
    route!(GET "/instances/configuration", configuration::list),
    route!(GET "/instances/{id}/configuration", configuration::list),
    route!(GET "/elements/{keyOrId}/instances/{id}/configuration", configuration::list),
    route!(GET "/instances/configuration/{configurationId}", configuration::show),
    route!(GET "/instances/{id}/configuration/{configurationId}", configuration::show),
    route!(GET "/elements/{keyOrId}/instances/{id}/configuration/{configurationId}", configuration::show),
    route!(PATCH "/instances/configuration/{configurationId}", configuration::patch),
    route!(PATCH "/instances/{id}/configuration/{configurationId}", configuration::patch),
    route!(PATCH "/elements/{keyOrId}/instances/{id}/configuration/{configurationId}", configuration::patch),
    route!(PUT "/instances/enabled", enabled::put),
    route!(PUT "/instances/{id}/enabled", enabled::put),
    route!(PUT "/elements/{keyOrId}/instances/{id}/enabled", enabled::put),
    route!(DELETE "/instances/enabled", enabled::delete),
    route!(DELETE "/instances/{id}/enabled", enabled::delete),
    route!(DELETE "/elements/{keyOrId}/instances/{id}/enabled", enabled::delete),
    route!(GET "/instances/access-token", access_token::handle),
    route!(GET "/instances/{id}/access-token", access_token::handle),
    route!(GET "/elements/{keyOrId}/instances/{id}/access-token", access_token::handle),
    route!(POST "/instances/token", token::handle),
    route!(POST "/instances/{id}/token", token::handle),
    route!(POST "/elements/{keyOrId}/instances/{id}/token", token::handle),
    route!(POST "/elements/{keyOrId}/links", links::create),
    route!(GET "/elements/{keyOrId}/links", links::list),
    route!(GET "/elements/{keyOrId}/links/{id}", links::show),
    route!(DELETE "/elements/{keyOrId}/links/{id}", links::delete),
    route!(POST "/elements/{keyOrId}/apps", apps::create),
    route!(GET "/elements/{keyOrId}/apps", apps::list),
    route!(GET "/elements/{keyOrId}/apps/{id}", apps::show),
    route!(PUT "/elements/{keyOrId}/apps/{id}", apps::replace),
    route!(DELETE "/elements/{keyOrId}/apps/{id}", apps::delete),
];

/// Finds the account that a request is about, for a caller who may see it.
async fn named(broker: &Broker, call: &Call) -> Result<(User, Account), broker::Error> {
    broker.account(&call.credentials()?, call.parameter("id"), call.parameter("keyOrId")).await
}
