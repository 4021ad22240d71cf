//! What a vendor's callback carries (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).

use valetkey::http::Call;

/// The longest description that is passed on, in characters.
const LONGEST: usize = 500;

/// The parameters of a callback. They hold the code and are not to be printed.
pub(crate) struct Returned(Vec<(String, String)>);

/// What may be there once (RFC 6749 section 3.1).
const ONCE: [&str; 5] = ["state", "code", "iss", "error", "error_description"];

impl Returned {
    /// Reads the query, or the body of a form.
    pub(crate) fn read(call: &Call, posted: bool) -> Option<Self> {
        let pairs = if posted {
            call.form()
        } else {
            call.queries().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let returned = Self(pairs);
        ONCE.iter().all(|name| returned.has_once(name)).then_some(returned)
    }

    /// Tells that a parameter is not there twice.
    pub(crate) fn has_once(&self, name: &str) -> bool {
        self.0.iter().filter(|(known, _)| known == name).count() <= 1
    }

    /// Gives a parameter; nothing when it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Gives the error code, when it is one (RFC 6749 section 4.1.2.1: printable ASCII).
    pub(crate) fn error(&self) -> Option<&str> {
        let error = self.get("error")?;
        let plain = error.len() <= 100 && error.bytes().all(|c| (b' '..=b'~').contains(&c));
        Some(if plain { error } else { "server_error" })
    }

    /// Gives the vendor's description of an error, without control characters.
    pub(crate) fn description(&self) -> Option<String> {
        let description = self.get("error_description")?;
        Some(description.chars().filter(|c| !c.is_control()).take(LONGEST).collect())
    }
}
