//! Vendors as data, and the OAuth 2.0 client that speaks to them. It knows no store, no record, no route and no clock.
//!
//! | module | holds |
//! |---|---|
//! | [`descriptor`], [`check`] | the shape of a vendor's file, and what makes one wrong |
//! | [`error`] | why a vendor did not do what it was asked, and why an element cannot be used |
//! | [`catalogue`] | the elements of a deployment |
//! | [`tenant`] | the parts of a URL that differ by tenant |
//! | [`pkce`], [`authorize`] | the redirect URL |
//! | [`tokens`] | what a token endpoint grants |
//! | [`client`] | code exchange, refresh, revocation; what is sent, what is read, and where it may go |

pub mod descriptor;

pub mod check;

pub mod error;

pub mod catalogue;

pub mod tenant;

pub mod pkce;

pub mod authorize;

pub mod tokens;

pub mod client;

pub use error::{ElementError, VendorError};
