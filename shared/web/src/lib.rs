//! Requests in, answers out: what the functions' handlers are written with.
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | why a request fails, and its status |
//! | [`answer`] | answers in the contract's shape |
//! | [`authorization`], [`call`] | a request, read as far as every route needs it |
//! | [`clean`], [`body`] | names and URLs that people gave; the members of JSON bodies |
//! | [`show`] | records and descriptors as payloads |
//! | [`mod@page`], [`visitor`] | the pages of hosted connect; cookies and redirects |
//! | [`router`] | routes, and the request's way through them |
//! | [`target`] | a request's path and query, encoded exactly once |
//! | [`log`] | which events are logged |

pub mod error;

pub mod answer;

pub mod authorization;

pub mod call;

pub mod clean;

pub mod body;

pub mod show;

pub mod page;

pub mod visitor;

pub mod router;

pub mod target;

pub mod log;

pub use answer::Answer;
pub use call::Call;
pub use error::Error;
pub use router::{Method, Route, Router};
