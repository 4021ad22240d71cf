//! Hosted connect, outward: a visitor opens a link and is sent to the vendor.
//!
//! Anybody may come here, so it has no vault: no instance's tokens and no app's secret. Of a link it opens the
//! client's id alone, which the vendor's address holds anyway.

mod form;
mod hop;

use std::sync::Arc;

use valetkey::catalogue::Catalogue;
use valetkey::clock::Clock;
use valetkey::connect::Connect;
use valetkey::http::Route;
use valetkey::page;
use valetkey::page::Look;
use valetkey::registry::Registry;

/// What this function is given.
pub struct App {
    /// The elements of this deployment.
    pub catalogue: Arc<Catalogue>,
    /// The time.
    pub clock: Clock,
    /// Where records are.
    pub registry: Arc<dyn Registry>,
    /// What hosted connect needs.
    pub connect: Connect,
}

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    page!(look; GET "/connect/{link}", hop::open),
    page!(look; POST "/connect/{link}", hop::filled_in),
    // A link that was cut off.
    page!(look; GET "/connect", hop::open),
];

fn look(app: &App) -> Look {
    app.connect.look.clone()
}
