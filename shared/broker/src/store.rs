//! The seams: where records are, where tokens rest, and where the keys come from.

pub mod error;

pub mod keys;

pub mod records;

pub mod retry;

pub mod secrets;

pub use error::StoreError;
