//! The life of a grant, a file a verb.

pub mod create;

pub mod delete;

mod lease;

pub mod obtain;

pub mod reauthenticate;

pub mod refresh;

pub mod revoke;

mod schedule;

pub mod sweep;
