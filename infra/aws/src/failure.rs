//! The SDK's errors, by what the caller does next.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use broker::store::StoreError;

/// What a service says when it is over a limit or in trouble: asking again later helps.
const PASSING: [&str; 10] = [
    "InternalServerError",
    "InternalServiceError",
    "ItemCollectionSizeLimitExceededException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottledException",
    "ThrottlingException",
    "TransactionConflictException",
];

/// Turns a call's failure into the store's. Its text names the service's error code and request, and
/// nothing of what was sent.
pub(crate) fn store<E: ProvideErrorMetadata, R>(call: &str, error: &SdkError<E, R>) -> StoreError {
    match error {
        SdkError::ServiceError(failure) => {
            let code = failure.err().code().unwrap_or("an error without a code");
            let text = format!("{call}: {code}");
            if PASSING.contains(&code) { StoreError::Unavailable(text) } else { StoreError::Damaged(text) }
        }
        SdkError::TimeoutError(_) => StoreError::Unavailable(format!("{call}: no answer in time")),
        SdkError::DispatchFailure(_) => StoreError::Unavailable(format!("{call}: no connection")),
        SdkError::ResponseError(_) => {
            StoreError::Unavailable(format!("{call}: an answer that cannot be read"))
        }
        _ => StoreError::Damaged(format!("{call}: the request could not be made")),
    }
}

/// Tells whether a service said this error code.
pub(crate) fn is<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}
