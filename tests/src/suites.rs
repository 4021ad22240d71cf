//! The contract suites of the seams: every implementation passes the same.

pub mod registry;
pub mod vault;
