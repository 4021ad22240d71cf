//! Hosted connect, homeward: the vendor sends the browser back, and a code becomes an instance.
//!
//! 1. What came is read; a parameter that is there twice is refused.
//! 2. The session is taken: once, by the browser that began it, before anything else is done.
//! 3. The link is used, where it can be used once.
//! 4. The code becomes an instance, or revives one (`broker::connect::callback`).
//! 5. How it ended is stored: whoever comes again with the same browser gets the same answer.
//!
//! A death after 3 is finished by the sweep, as far as the vault has the grant.

mod arrive;
mod ending;

use broker::Broker;
use broker::hosted_connect::Branding;
use web::{Route, page};

/// The routes that this function answers.
pub const ROUTES: &[Route<Broker>] = &[
    page!(branding; GET "/oauth/callback/{elementKey}", arrive::by_redirect),
    page!(branding; POST "/oauth/callback/{elementKey}", arrive::by_form),
    page!(branding; GET "/oauth/callback", arrive::by_redirect),
    page!(branding; POST "/oauth/callback", arrive::by_form),
];

fn branding(broker: &Broker) -> Branding {
    broker.connect().map(|connect| connect.branding.clone()).unwrap_or_default()
}
