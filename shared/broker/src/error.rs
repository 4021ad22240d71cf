//! Why a request fails. What is displayed is what the caller reads; `web` turns it into a status.

use vendors::{ElementError, VendorError};

use crate::id::{AppId, InstanceId};
use crate::store::StoreError;

/// Why a request gets no ordinary answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong; the text says what to change.
    #[error("{0}")]
    Invalid(String),
    /// Bad, missing or malformed credentials. The caller does not learn which part was wrong.
    #[error("Invalid Organization or User secret, or invalid Element token provided.")]
    Unauthorized,
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or it is another user's.
    #[error("{0}")]
    NotFound(String),
    /// The element that was named cannot be used.
    #[error(transparent)]
    Element(#[from] ElementError),
    /// The vendor has ended the grant.
    #[error(
        "The grant of instance {0} has ended; ask the user to consent again and PUT the new code to /instances/{0}"
    )]
    GrantEnded(InstanceId),
    /// The access token has expired, and the vendor gave no refresh token.
    #[error(
        "The access token of instance {0} has expired and the vendor gave no refresh token; ask the user to consent \
         again and PUT the new code to /instances/{0}"
    )]
    NoRefreshToken(InstanceId),
    /// The vendor refuses the client; `how` is the request that corrects it.
    #[error(
        "The vendor refuses the client, the grant itself may live: correct oauth.api.key and oauth.api.secret with {how}"
    )]
    ClientRejected {
        /// The request that corrects key and secret.
        how: String,
        /// What the vendor said.
        cause: VendorError,
    },
    /// An app has no key and secret: its registration did not end, or they were removed.
    #[error("The app {0} has no key and secret: give them with PUT /elements/{{keyOrId}}/apps/{0}")]
    AppIncomplete(AppId),
    /// The state of the thing forbids it; the text says what to do.
    #[error("{0}")]
    Conflict(String),
    /// The tokens were given to another client than the one that the settings name.
    #[error(
        "The tokens of instance {0} were given to another oauth.api.key: set that again, or ask the user to consent again \
         and PUT the new code to /instances/{0}"
    )]
    ClientChanged(InstanceId),
    /// Another consent of the instance is under way.
    #[error(
        "Another consent of this instance is under way; the code was not used. Try again after {0} seconds"
    )]
    Locked(u64),
    /// The same code, or imported token, is being used by an earlier request.
    #[error("An earlier request with the same code is under way; try again after {0} seconds")]
    CodeInUse(u64),
    /// The code, or imported token, was used before, and what came of it is not there.
    #[error(
        "This code, or imported token, was used before and is not sent to the vendor again: ask the user to consent again"
    )]
    CodeUsed,
    /// A refresh is under way, or nobody knows how one has ended.
    #[error(
        "A refresh of this grant is under way, or its outcome is not known yet; try again after {0} seconds"
    )]
    RefreshUnderWay(u64),
    /// There was too much to do for one request; the same request goes on.
    #[error("{0}")]
    Incomplete(String),
    /// The table does not take writes just now, so the vendor is not asked.
    #[error(
        "The store does not take writes just now, so the vendor is not asked; try again after {0} seconds"
    )]
    Paused(u64),
    /// The vendor did not do what it was asked.
    #[error("{0}")]
    Vendor(#[from] VendorError),
    /// The vendor granted, and the grant could not be kept. Its code is spent, so the same request cannot be tried
    /// again.
    #[error("The vendor granted access and it could not be kept here; ask the user to consent again")]
    GrantNotSaved(StoreError),
    /// The vendor granted, and the grant is kept; a store failed at what follows. The same request goes on with it.
    #[error("Access was granted and is kept, and the store failed after that; send the same request again")]
    Unfinished(StoreError),
    /// A store did not do what it was asked.
    #[error("{}", match .0 {
        StoreError::Unavailable(_) | StoreError::Denied(_) => "The store is busy; try again in a moment",
        StoreError::Damaged(_) => "Something went wrong on our side; the log has more under this requestId",
    })]
    Store(#[from] StoreError),
    /// A mistake of ours; the detail is for the log alone.
    #[error("Something went wrong on our side; the log has more under this requestId")]
    Internal(String),
}

impl Error {
    /// Whether it is certain that no vendor has granted anything that might be kept nowhere.
    pub fn certainly_not_granted(&self) -> bool {
        match self {
            Self::Vendor(cause) => cause.certainly_not_acted_on(),
            Self::GrantNotSaved(_) | Self::Unfinished(_) => false,
            _ => true,
        }
    }

    /// What the failure of a store means once a grant is kept.
    pub(crate) fn after_the_grant(self) -> Self {
        match self {
            Self::Store(cause) => Self::Unfinished(cause),
            error => error,
        }
    }

    /// Whether this deployment is at fault: a mistake of ours, a store that does not hold what it should, or one that did
    /// not take what a vendor granted.
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::GrantNotSaved(_)
                | Self::Store(StoreError::Damaged(_) | StoreError::Denied(_))
                | Self::Unfinished(StoreError::Damaged(_) | StoreError::Denied(_))
                | Self::Internal(_)
        )
    }

    /// The seconds after which the caller may try again.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Vendor(VendorError::Busy { retry_after, .. }) => Some(*retry_after),
            Self::Store(StoreError::Unavailable(_) | StoreError::Denied(_))
            | Self::Unfinished(_)
            | Self::Incomplete(_) => Some(1),
            Self::Locked(seconds)
            | Self::CodeInUse(seconds)
            | Self::RefreshUnderWay(seconds)
            | Self::Paused(seconds) => Some(*seconds),
            _ => None,
        }
    }

    /// What the vendor said.
    pub fn provider_message(&self) -> Option<&str> {
        match self {
            Self::Vendor(cause) | Self::ClientRejected { cause, .. } => cause.said().map(|(_, words)| words),
            _ => None,
        }
    }
}
