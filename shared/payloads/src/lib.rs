//! What goes over the wire, in the platform's names and shapes: serde types, no logic. A client in Rust can use them
//! without the broker.
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | the body of every error |
//! | [`oauth_url`] | the answer of `GET /elements/{keyOrId}/oauth/url` |
//! | [`elements`] | the catalogue |
//! | [`settings`] | the entries of a configuration |
//! | [`instances`] | an instance, a list of them, how many there are |
//! | [`access_token`] | a live access token |
//! | [`links`], [`apps`] | hosted connect: links for visitors, registered clients |
//! | [`users`] | users, their secrets and return URLs |
//! | [`lenient`] | text where clients send numbers and truth values |

pub mod lenient;

pub mod error;

pub mod oauth_url;

pub mod settings;

pub mod elements;

pub mod instances;

pub mod access_token;

pub mod links;

pub mod apps;

pub mod users;
