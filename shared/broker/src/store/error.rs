//! Why a store failed.

/// Why a store failed, by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Throttled, locked, full or out of reach: trying again helps.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// The store refuses this deployment: a right is missing, or a key is disabled. Trying again helps once an operator
    /// has corrected it, so nothing is given up for it.
    #[error("the store refuses access: {0}")]
    Denied(String),
    /// What was read is not what was written: trying again will not help.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Tells whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Denied(_))
    }
}
