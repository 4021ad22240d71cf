//! How a visitor's flow ends without an instance, and why.

use vendors::VendorError;

use crate::error::Error;
use crate::record::session::Ended;

/// What a vendor's error means (RFC 6749 section 4.1.2.1); `denies`: the visitor has said no.
pub(crate) fn refused(error: &str, denies: bool, description: Option<String>) -> Ended {
    if denies {
        let usual = || "The user did not allow access".to_owned();
        return Ended::Denied { description: description.unwrap_or_else(usual) };
    }
    let words = description.clone().unwrap_or_else(|| format!("The vendor answered {error}"));
    failed(error, &words, description)
}

/// What an error means that certainly left no grant.
pub(crate) fn not_made(error: &Error) -> Ended {
    if !matches!(error, Error::Vendor(VendorError::Refused { .. })) {
        // What a vendor says may hold what nobody should read here.
        tracing::warn!(cause = ?error, "a flow made no instance");
    }
    let busy = |words: &str| failed("temporarily_unavailable", words, None);
    match error {
        Error::Vendor(cause) if cause.refuses_client() => {
            failed("server_error", "The vendor refuses the app's key or secret", None)
        }
        Error::Vendor(VendorError::Refused { message, .. }) => {
            failed("server_error", "The vendor refused the code", Some(message.clone()))
        }
        Error::Vendor(_) => busy("The vendor cannot answer just now"),
        Error::Store(_)
        | Error::Locked(_)
        | Error::CodeInUse(_)
        | Error::Incomplete(_)
        | Error::Paused(_) => busy("Nothing could be stored just now"),
        Error::NotFound(_) => failed("server_error", "The instance is not there any more", None),
        error => failed("server_error", &error.to_string(), None),
    }
}

pub(crate) fn failed(error: &str, description: &str, said: Option<String>) -> Ended {
    Ended::Failed { error: error.into(), description: description.into(), said }
}
