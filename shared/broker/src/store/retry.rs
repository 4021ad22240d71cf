//! How long a request may take for what, so that nothing is lost that a vendor gave.
//!
//! A request has 28 s. The vendor may take 10 s of them and a write to a store, with what the store repeats
//! by itself, 5 s.

use std::future::Future;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::store::error::StoreError;

/// A code, or a token that a vendor rotates, is not spent after this, since the request came.
pub(crate) const SPEND_BY: Duration = Duration::from_secs(7);
/// The last attempt to put a grant into the vault begins before this.
pub(crate) const STORE_BY: Duration = Duration::from_secs(17);
/// The last attempt to complete the record begins before this.
pub(crate) const COMMIT_BY: Duration = Duration::from_secs(22);

/// How often a write is tried that must not be given up.
const ATTEMPTS: usize = 3;

/// Repeats what must not be given up at the first failure, as long as the request has time. Stores wait
/// and repeat by themselves before they say that they are out of reach.
pub(crate) async fn insist<T, F>(
    watch: Stopwatch,
    limit: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(StoreError::Unavailable(cause)) if watch.is_before(limit) => {
                tracing::warn!(cause, "a write is repeated");
            }
            outcome => return outcome,
        }
    }
    attempt().await
}
