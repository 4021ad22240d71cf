//! What is told about a call to a vendor: one line, and its metrics.
//!
//! A field of an event that is named `count.Name` or `milliseconds.Name` is a metric, whose only dimension
//! is the event's `element`. On AWS a log line carries it (CloudWatch's embedded metric format).

use std::future::Future;

use crate::clock::Stopwatch;
use crate::element::Element;
use crate::error::Error;
use crate::oauth::VendorError;

/// Awaits a call to a vendor and tells how it ended.
pub(crate) async fn asked<T>(
    element: &Element,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let (watch, element) = (Stopwatch::start(), element.identity.key.as_str());
    let outcome = call.await;
    let milliseconds = watch.milliseconds();
    match &outcome {
        Err(Error::Vendor(VendorError::Refused { .. })) | Ok(_) => {
            let refused = outcome.is_err();
            tracing::info!(
                element,
                operation,
                refused,
                milliseconds.Vendor = milliseconds,
                "asked the vendor"
            );
        }
        Err(Error::Vendor(cause)) => tracing::warn!(
            element,
            operation,
            ?cause,
            count.VendorFailed = 1,
            milliseconds.Vendor = milliseconds,
            "the vendor failed"
        ),
        Err(_) => {}
    }
    outcome
}
