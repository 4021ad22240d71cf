//! The records, a file each: what the stores keep, and how it is found and changed.

pub mod settings;

pub mod tokens;

pub mod grant;

pub mod marker;

pub mod user;

pub mod app;

pub mod instance;

pub mod account;

pub mod unsaved;

pub mod link;

pub mod session;
