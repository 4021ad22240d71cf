//! Why a vendor did not do what it was asked, and why an element cannot be used.

use crate::descriptor::Permanent;

/// Why an element cannot be used; the text is for whoever named it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// The catalogue has no element with that key or id.
    #[error("No element found with key {0}")]
    Unknown(String),
    /// The element with that key has no OAuth 2.0.
    #[error("The element {0} does not use OAuth 2.0")]
    NoOAuth2(String),
    /// The value of this configuration key, which a URL needs, was not given.
    #[error("Missing {0} (in a redirect URL's query: siteAddress), which this vendor's URLs need")]
    TenantMissing(String),
    /// A value for a URL is not one that the descriptor allows.
    #[error("{key} must be {wanted}, not {value:?}")]
    TenantWrong {
        /// The configuration key.
        key: String,
        /// What it must be.
        wanted: String,
        /// What was given, cut to 100 characters.
        value: String,
    },
}

/// What a vendor said, as it may be repeated: no secret, on one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Its code, such as `invalid_scope`; empty when it gave none.
    pub code: String,
    /// Its words, or its code again; empty when it gave neither.
    pub text: String,
}

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
    /// The vendor is over its limit or in maintenance (429, 503), or has said when to come again.
    #[error("The vendor is busy; try again after {retry_after} seconds")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// How long to wait, in seconds.
        retry_after: u64,
        /// What it said.
        words: Words,
    },
    /// The vendor failed (another 5xx).
    #[error("The vendor failed with status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: Words,
    },
    /// The vendor answered something that is no token answer.
    #[error("The vendor's answer could not be understood: {0}")]
    Malformed(String),
}

impl VendorError {
    /// The seconds after which the vendor wants to be asked again, when it has said so.
    pub fn retry_after(&self) -> Option<i64> {
        match self {
            Self::Busy { retry_after, .. } => i64::try_from(*retry_after).ok(),
            _ => None,
        }
    }

    /// What the vendor has said: its code and its words.
    pub fn said(&self) -> Option<(&str, &str)> {
        match self {
            Self::Refused { error, message, .. } => Some((error, message)),
            Self::Busy { words, .. } | Self::Failed { words, .. } if !words.text.is_empty() => {
                Some((&words.code, &words.text))
            }
            _ => None,
        }
    }

    /// Whether it is the client's key or secret that the vendor refuses.
    pub fn refuses_client(&self) -> bool {
        matches!(self, Self::Refused { means: Some(Permanent::BadClient), .. })
    }

    /// Whether the vendor has certainly granted nothing and spent nothing: it refused, was not reached, or said that it
    /// is over its limit or in maintenance. Any other 5xx leaves that open: a gateway may say it of a request that was
    /// acted on.
    pub fn certainly_not_acted_on(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable(_) | Self::Busy { .. })
    }
}
