//! Hosted connect, homeward: the vendor sends the browser back, and a code becomes an instance.
//!
//! 1. What came is read; what is there twice is refused.
//! 2. The session is taken: once, by the browser that began it, before anything else is done.
//! 3. The link is used, where it can be used once.
//! 4. The code becomes an instance, or revives one (`valetkey::creation`, `valetkey::revision`).
//! 5. How it ended is written down: whoever comes again with the same browser gets the same answer.
//!
//! A death after 3 is finished by the sweep, as far as the vault has the grant.

mod arrive;
mod ending;
mod flow;
mod returned;

use valetkey::app::App;
use valetkey::http::Route;
use valetkey::page;
use valetkey::page::Look;

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    page!(look; GET "/oauth/callback/{elementKey}", arrive::by_redirect),
    page!(look; POST "/oauth/callback/{elementKey}", arrive::by_form),
    page!(look; GET "/oauth/callback", arrive::by_redirect),
    page!(look; POST "/oauth/callback", arrive::by_form),
];

fn look(app: &App) -> Look {
    app.connect().map(|connect| connect.look.clone()).unwrap_or_default()
}
