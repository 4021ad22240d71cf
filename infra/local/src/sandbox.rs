//! The sandbox vendor: a pretend Keap in this process, with Keap's habits.
//!
//! It stands in for the hosts in `STANDS_IN_FOR`: elements whose endpoints are there are pointed
//! here. What it grants is kept in a database of its own, as a vendor would.

mod api;
mod authorize;
mod ledger;
mod page;
mod token;

use axum::Router;
use axum::routing::{get, post};
use broker::clock::Clock;
pub use ledger::Ledger;
use vendors::descriptor::{
    ClientAuthentication, Element, Encoding, Endpoint, Revoke, RevokeMethod, RevokedBy, RevokedToken,
};

use crate::options::Habits;

/// The beginnings of the real addresses, and of the paths here that stand in for them.
const STANDS_IN_FOR: [(&str, &str); 3] = [
    ("https://signin.infusionsoft.com/app/", "/sandbox/app/"),
    ("https://accounts.infusionsoft.com/app/", "/sandbox/app/"),
    ("https://api.infusionsoft.com/", "/sandbox/"),
];

/// The pretend account that every consent is for.
const TENANT: &str = "xx123.infusionsoft.com";

/// The sandbox: what it has granted, and how it behaves.
#[derive(Debug, Clone)]
pub struct Sandbox {
    ledger: Ledger,
    habits: Habits,
    clock: Clock,
}

impl Sandbox {
    /// Opens the sandbox on its ledger.
    pub fn new(ledger: Ledger, habits: Habits, clock: Clock) -> Self {
        Self { ledger, habits, clock }
    }

    /// Gives the sandbox's routes, all below `/sandbox`.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/sandbox/app/oauth/authorize", get(authorize::ask).post(authorize::decide))
            .route("/sandbox/token", post(token::token))
            .route("/sandbox/revoke", post(token::revoke))
            .route("/sandbox/crm/rest/v1/oauth/connect/userinfo", get(api::userinfo))
            .route("/sandbox/stats", get(api::stats))
            .route("/sandbox/callback", get(authorize::callback))
            .with_state(self)
    }
}

/// Points an element here, when it is one that the sandbox can play. The real vendor has no revocation;
/// the sandbox has one (RFC 7009), so that deleting an instance can be watched.
pub fn stand_in(element: &Element, base: &str) -> Option<Element> {
    let mut element = element.clone();
    let oauth2 = element.oauth2.as_mut()?;
    oauth2.authorize.url = here(&oauth2.authorize.url, base)?;
    oauth2.token.url = here(&oauth2.token.url, base)?;
    if let Some(refresh) = &mut oauth2.refresh {
        refresh.endpoint.url = here(&refresh.endpoint.url, base)?;
    }
    oauth2.revoke.get_or_insert_with(|| Revoke {
        endpoint: Endpoint {
            url: format!("{base}/sandbox/revoke"),
            client_authentication: ClientAuthentication::ClientSecretBasic,
            encoding: Encoding::Form,
            extra: std::collections::BTreeMap::new(),
        },
        method: RevokeMethod::default(),
        by: RevokedBy::default(),
        token: RevokedToken::RefreshToken,
    });
    if let Some(api) = &mut element.api {
        api.base_url = here(&api.base_url, base)?;
    }
    Some(element)
}

fn here(url: &str, base: &str) -> Option<String> {
    let stand_in = |(real, path): &(&str, &str)| Some(format!("{base}{path}{}", url.strip_prefix(real)?));
    STANDS_IN_FOR.iter().find_map(stand_in)
}

#[cfg(test)]
mod tests {
    use vendors::catalogue::Catalogue;

    use super::*;

    #[test]
    fn elements_of_the_vendor_it_plays_are_pointed_here_and_no_others() {
        let catalogue = Catalogue::built_in();
        let element = catalogue.find("infusionsoftcrm").unwrap();
        let pointed = stand_in(element, "http://127.0.0.1:1").unwrap().oauth2.unwrap();
        assert_eq!(pointed.authorize.url, "http://127.0.0.1:1/sandbox/app/oauth/authorize");
        assert_eq!(pointed.token.url, "http://127.0.0.1:1/sandbox/token");
        assert_eq!(pointed.refresh.unwrap().endpoint.url, "http://127.0.0.1:1/sandbox/token");
        let mut other = element.clone();
        other.oauth2.as_mut().unwrap().token.url = "https://vendor.example/token".into();
        assert!(stand_in(&other, "http://127.0.0.1:1").is_none());
    }
}
