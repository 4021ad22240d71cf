//! What valetkey's functions know.
//!
//! In reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`element`], [`check`], [`catalogue`] | vendors as data: the descriptor's shape, what makes one wrong, finding one |
//! | [`http`], [`body`], [`wire`], [`error`] | a request in, an answer or an error out, in the contract's shape |
//! | [`clean`] | names and URLs that people gave |
//! | [`credentials`], [`user`], [`keys`], [`seal`], [`app`] | who calls, and what handlers are given |
//! | [`oauth`] | the vendor's side: redirect URL, exchange, refresh, revocation |
//! | [`vault`], [`registry`] | the two seams: where secrets are, where records are |
//! | [`grant`], [`instance`], [`configuration`] | what the vault and the registry keep of an instance |
//! | [`redeem`], [`creation`], [`revision`], [`removal`] | an instance's birth, changes and death, safe at every step |
//! | [`renewal`] | a live access token: the refresh, which happens once |
//! | [`client`] | apps: a client's key and secret, given once |
//! | [`connect`], [`link`], [`session`], [`mod@page`] | hosted connect: what visitors open, their way to the vendor and back, what they see |
//! | `lease`, `patience` | who may write to a secret now, and how long a request may try |
//! | [`clock`], [`random`] | the time and randomness, each read in one place |
//! | [`sweep`], `schedule` | what is done when nobody calls: grants kept alive, what a crash left finished |
//! | [`telemetry`] | what is logged and counted of an instance's life and of calls to a vendor |
//!
//! `oauth` never touches the vault or the registry; functions never call each other; no secret is in a
//! log, a URL, an error or a `Debug`; a vendor's quirk is a field of its descriptor.

pub mod app;
pub mod body;
pub mod catalogue;
pub mod check;
pub mod clean;
pub mod client;
pub mod clock;
pub mod configuration;
pub mod connect;
#[cfg(feature = "send")]
pub mod creation;
pub mod credentials;
pub mod element;
pub mod error;
pub mod grant;
pub mod http;
pub mod instance;
pub mod keys;
#[cfg(feature = "send")]
mod lease;
pub mod link;
pub mod oauth;
pub mod page;
#[cfg(feature = "send")]
mod patience;
pub mod random;
#[cfg(feature = "send")]
pub mod redeem;
pub mod registry;
#[cfg(feature = "send")]
pub mod removal;
#[cfg(feature = "send")]
pub mod renewal;
#[cfg(feature = "send")]
pub mod revision;
#[cfg(feature = "send")]
mod schedule;
pub mod seal;
pub mod session;
#[cfg(feature = "send")]
pub mod sweep;
#[cfg(feature = "send")]
pub mod telemetry;
#[cfg(feature = "send")]
pub mod tls;
pub mod user;
pub mod vault;
pub mod wire;
