//! Everything that a request can fail with, and the one place that turns it into a status.

use lambda_http::http::StatusCode;

use crate::oauth::VendorError;

/// Why a request gets no ordinary answer. What is displayed here is what the client reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong; the text says what to change.
    #[error("{0}")]
    Invalid(String),
    /// Bad, missing or malformed credentials. Nobody is told which part was wrong.
    #[error("Invalid Organization or User secret, or invalid Element token provided.")]
    Unauthorized,
    /// The caller is known, the thing is barred: a disabled instance.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or it is another user's.
    #[error("{0}")]
    NotFound(String),
    /// The path is known, the method is not; `allow` lists those that are.
    #[error("The method {method} is not allowed here; allowed: {allow}")]
    MethodNotAllowed {
        /// The method that was asked for.
        method: String,
        /// The methods that would be answered.
        allow: String,
    },
    /// The state of the thing forbids it; the text says what to do.
    #[error("{0}")]
    Conflict(String),
    /// Another change of the instance is under way.
    #[error("Another change of this instance is under way; try again after {0} seconds")]
    Leased(u64),
    /// The secret has been written as often as its store allows for now.
    #[error("The secrets of this instance have changed too often; try again after {0} seconds")]
    TooOften(u64),
    /// There was too much to do for one request; the same one goes on.
    #[error("{0}")]
    Unfinished(String),
    /// The client does not take what there is to give.
    #[error("The answer is application/json, which `Accept: {0}` does not allow")]
    NotAcceptable(String),
    /// The body is larger than is read.
    #[error("The request body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The body is not JSON and does not say that it is.
    #[error("Send the body as JSON with `Content-Type: application/json`, not {0}")]
    UnsupportedMediaType(String),
    /// The vendor did not do what it was asked.
    #[error("{0}")]
    Vendor(#[from] VendorError),
    /// The vendor granted, and the grant could not be kept: its code is spent, so the same request
    /// cannot be tried again.
    #[error("The vendor granted access and it could not be kept here; ask the user to consent again")]
    Unkept(StoreError),
    /// A store did not do what it was asked.
    #[error("{}", match .0 {
        StoreError::Unavailable(_) => "The store is busy; try again in a moment",
        StoreError::Damaged(_) => "Something went wrong on our side; the log has more under this requestId",
    })]
    Store(#[from] StoreError),
    /// A mistake of ours; the detail is for the log alone.
    #[error("Something went wrong on our side; the log has more under this requestId")]
    Internal(String),
}

/// Why a vault or a registry failed, by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Throttled, locked or out of reach: trying again may help.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// What was read is not what was written: trying again will not help.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl Error {
    /// The status that answers it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::Vendor(VendorError::Refused { .. }) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) | Self::Leased(_) => StatusCode::CONFLICT,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Vendor(VendorError::Busy { .. })
            | Self::Store(StoreError::Unavailable(_))
            | Self::Unfinished(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Vendor(VendorError::InDoubt(_)) => StatusCode::GATEWAY_TIMEOUT,
            Self::Vendor(_) => StatusCode::BAD_GATEWAY,
            Self::Unkept(_) | Self::Store(StoreError::Damaged(_)) | Self::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Whether this deployment is at fault: no caller, no vendor and no store that is out of reach can cause it.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Unkept(_) | Self::Store(StoreError::Damaged(_)) | Self::Internal(_))
    }

    /// Whether it is certain that no vendor has granted anything that might be kept nowhere.
    pub fn granted_nothing(&self) -> bool {
        match self {
            Self::Vendor(cause) => cause.granted_nothing(),
            Self::Unkept(_) => false,
            _ => true,
        }
    }

    /// The seconds after which the client may try again.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Vendor(VendorError::Busy { retry_after, .. }) => Some(*retry_after),
            Self::Store(StoreError::Unavailable(_)) | Self::Unfinished(_) => Some(1),
            Self::Leased(seconds) | Self::TooOften(seconds) => Some(*seconds),
            _ => None,
        }
    }

    /// What the vendor said, for `providerMessage`.
    pub fn provider_message(&self) -> Option<&str> {
        match self {
            Self::Vendor(VendorError::Refused { message, .. }) => Some(message),
            _ => None,
        }
    }
}
