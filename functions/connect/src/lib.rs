//! Hosted connect, outward: a visitor opens a link and is sent to the vendor.
//!
//! Anybody may come here, so it has no vault: no instance's tokens and no app's secret. Of a link it opens only the
//! client's id, which the vendor's URL holds anyway.

mod form;
mod open_link;

use broker::connect::open::LinkOpener;
use broker::hosted_connect::Branding;
use web::{Route, page};

/// The routes that this function answers.
pub const ROUTES: &[Route<LinkOpener>] = &[
    page!(branding; GET "/connect/{link}", open_link::open),
    page!(branding; POST "/connect/{link}", open_link::filled_in),
    // A link that was cut off.
    page!(branding; GET "/connect", open_link::open),
];

fn branding(app: &LinkOpener) -> Branding {
    app.connect.branding.clone()
}
