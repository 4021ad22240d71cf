//! Records and descriptors as payloads.

pub mod element;

pub mod instance;

pub mod link;

pub mod user;
