//! What the project exists for: the vendor's side of OAuth 2.0, read from a descriptor.
//!
//! Nothing here touches the vault or the registry. In the order of a grant's life:
//! [`authorize`] makes the redirect URL, [`send`] calls an endpoint, [`exchange`] turns a code into
//! tokens, [`refresh`] gets new ones, [`answer`] reads what comes back, [`revoke`] ends the grant.
//! [`endpoint`] fills in the parts of a URL that differ by tenant, and [`egress`] sees to it that
//! they lead to the public internet.

pub mod answer;
pub mod authorize;
#[cfg(feature = "send")]
pub mod egress;
pub mod endpoint;
#[cfg(feature = "send")]
pub mod exchange;
#[cfg(feature = "send")]
pub mod refresh;
#[cfg(feature = "send")]
pub mod revoke;
#[cfg(feature = "send")]
pub mod send;

use crate::clock::Timestamp;
use crate::element::Permanent;

/// Why a vendor did not do what it was asked, by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VendorError {
    /// The vendor said no (RFC 6749 section 5.2). Nothing was granted.
    #[error("{}", match .means {
        Some(Permanent::BadClient) => "The vendor refused the client: check oauth.api.key and oauth.api.secret",
        _ => "The vendor refused the authorization: check the code and oauth.callback.url, or ask the user to consent again",
    })]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `error` code; empty when the answer had none.
        error: String,
        /// What the vendor said in words, or its error code.
        message: String,
        /// What has come to an end by it, as the descriptor's table says.
        means: Option<Permanent>,
    },
    /// No connection was made: nothing was sent, so the same request can be sent again.
    #[error("The vendor could not be reached; nothing was sent, so the same request can be tried again")]
    Unreachable(String),
    /// The request was sent and no answer came: the vendor may or may not have acted.
    #[error(
        "The vendor did not answer in time; ask the user to consent again if the code is refused next time"
    )]
    InDoubt(String),
    /// The vendor is over its limit or in maintenance (429, 503).
    #[error("The vendor is busy; try again after {retry_after} seconds")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// How long to wait, in seconds.
        retry_after: u64,
    },
    /// The vendor failed (another 5xx).
    #[error("The vendor failed with status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
    },
    /// The vendor answered something that is no token answer.
    #[error("The vendor's answer could not be understood: {0}")]
    Malformed(String),
}

impl VendorError {
    /// The seconds after which the vendor wants to be asked again, when it has said so.
    pub fn retry_after(&self) -> Option<Timestamp> {
        match self {
            Self::Busy { retry_after, .. } => Timestamp::try_from(*retry_after).ok(),
            _ => None,
        }
    }

    /// Whether it is the client's key or secret that the vendor refuses.
    pub fn refuses_client(&self) -> bool {
        matches!(self, Self::Refused { means: Some(Permanent::BadClient), .. })
    }

    /// Whether the vendor has certainly granted nothing and spent nothing. A 5xx leaves that open: a
    /// gateway may say it of a request that was acted on.
    pub fn granted_nothing(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable(_) | Self::Busy { status: 429, .. })
    }
}
