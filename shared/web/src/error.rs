//! Everything that a request can fail with, and the one place that turns it into a status.

use broker::store::StoreError;
use lambda_http::http::StatusCode;
use vendors::{ElementError, VendorError};

/// Why a request gets no ordinary answer. What is displayed is what the client reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the request asked for was not done.
    #[error(transparent)]
    Broker(#[from] broker::Error),
    /// The path is known, the method is not; `allow` lists those that are.
    #[error("The method {method} is not allowed here; allowed: {allow}")]
    MethodNotAllowed {
        /// The method that was asked for.
        method: String,
        /// The methods that would be answered.
        allow: String,
    },
    /// The client does not take JSON.
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
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Broker(error.into())
    }
}

impl From<ElementError> for Error {
    fn from(error: ElementError) -> Self {
        Self::Broker(error.into())
    }
}

impl Error {
    /// Whether this deployment is at fault, and not a caller or a vendor.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Broker(error) if error.is_fault())
    }

    /// The status that answers it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Broker(error) => status(error),
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// The status that answers an error of the broker's.
pub fn status(error: &broker::Error) -> StatusCode {
    use broker::Error as E;
    match error {
        E::Element(ElementError::Unknown(_)) | E::NotFound(_) => StatusCode::NOT_FOUND,
        E::Invalid(_) | E::Element(_) | E::Vendor(VendorError::Refused { .. }) => StatusCode::BAD_REQUEST,
        E::Unauthorized => StatusCode::UNAUTHORIZED,
        E::Forbidden(_) => StatusCode::FORBIDDEN,
        E::Conflict(_)
        | E::Locked(_)
        | E::CodeInUse(_)
        | E::CodeUsed
        | E::ClientChanged(_)
        | E::GrantEnded(_)
        | E::NoRefreshToken(_)
        | E::ClientRejected { .. }
        | E::AppIncomplete(_) => StatusCode::CONFLICT,
        E::Vendor(VendorError::Busy { .. })
        | E::Store(StoreError::Unavailable(_) | StoreError::Denied(_))
        | E::Unfinished(_)
        | E::RefreshUnderWay(_)
        | E::Paused(_)
        | E::Incomplete(_) => StatusCode::SERVICE_UNAVAILABLE,
        E::Vendor(VendorError::InDoubt(_)) => StatusCode::GATEWAY_TIMEOUT,
        E::Vendor(_) => StatusCode::BAD_GATEWAY,
        E::GrantNotSaved(_) | E::Store(StoreError::Damaged(_)) | E::Internal(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
