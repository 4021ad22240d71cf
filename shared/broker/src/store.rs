//! The two seams: where records are, and where secrets are.

pub mod error;

pub mod records;

pub mod retry;

pub mod secrets;

pub use error::StoreError;
