//! Why a store failed.

/// Why a store failed, by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Throttled, locked or out of reach: trying again may help.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// What was read is not what was written: trying again will not help.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}
