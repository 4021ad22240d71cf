//! The SDK's errors, by what the caller does next.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use broker::store::StoreError;

/// What a service says when this deployment lacks a right, or a key or a secret that it needs.
const DENIED: [&str; 12] = [
    "AccessDeniedException",
    "DecryptionFailure",
    "DisabledException",
    "EncryptionFailure",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
];

/// Turns a call's failure into the store's. Its text names the service's error code and request, and
/// nothing of what was sent.
pub(crate) fn store<E: ProvideErrorMetadata, R>(call: &str, error: &SdkError<E, R>) -> StoreError {
    match error {
        SdkError::ServiceError(failure) => {
            let code = failure.err().code().unwrap_or("an error without a code");
            let text = format!("{call}: {code}");
            match code {
                // A mistake of ours.
                "ValidationException" | "SerializationException" => StoreError::Damaged(text),
                _ if DENIED.contains(&code) => StoreError::Denied(text),
                _ => StoreError::Unavailable(text),
            }
        }
        SdkError::TimeoutError(_) => StoreError::Unavailable(format!("{call}: no answer in time")),
        SdkError::DispatchFailure(_) => StoreError::Unavailable(format!("{call}: no connection")),
        SdkError::ResponseError(_) => {
            StoreError::Unavailable(format!("{call}: an answer that cannot be read"))
        }
        _ => StoreError::Unavailable(format!("{call}: the request could not be made")),
    }
}

/// Tells whether a service said this error code.
pub(crate) fn is<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}
