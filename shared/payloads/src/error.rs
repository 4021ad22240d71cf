//! The body of every error.

use serde::{Deserialize, Serialize};

/// What was wrong, in the answer to any request that failed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The request's id, also in the header `Elements-Request-Id`.
    pub request_id: String,
    /// What was wrong and what to do.
    pub message: String,
    /// What the vendor said, when it said something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_message: Option<String>,
}
