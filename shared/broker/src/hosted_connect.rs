//! What a deployment configures for hosted connect, where visitors of links consent.

use vendors::descriptor::{CallbackPath, OAuth2, ResponseMode};

use crate::error::Error;
use crate::record::user::User;
use crate::seal::key::Key;
use crate::seal::keyring::Keyring;
use crate::seal::verifier;

/// A deployment's hosted connect.
#[derive(Debug, Clone)]
pub struct HostedConnect {
    /// Seals the ids of clients, which the vendors' URLs hold anyway.
    pub keyring: Keyring,
    /// Seals the secrets of links until they expire; `None` in a function that must not open them.
    secrets: Option<Keyring>,
    /// The key of code verifiers.
    pub verifiers: Key,
    /// The scheme and host that browsers reach it at; `None`: those that a request came to.
    pub address: Option<String>,
    /// Where browsers of every user's customers may be sent back to, compared byte for byte.
    pub return_urls: Vec<String>,
    /// How its pages look.
    pub branding: Branding,
}

/// How a deployment's pages look.
#[derive(Debug, Clone)]
pub struct Branding {
    /// Whose pages they are, in the visitor's words: the product that wants to be connected.
    pub title: String,
    /// The colour of buttons.
    pub accent: Colour,
}

impl Default for Branding {
    fn default() -> Self {
        Self { title: "valetkey".into(), accent: Colour([0x1d, 0x4e, 0xd8]) }
    }
}

impl Branding {
    /// Takes a deployment's title and accent colour; what is empty has its default. `None` when the accent is not
    /// `#rrggbb`.
    pub fn new(title: Option<String>, accent: Option<&str>) -> Option<Self> {
        let default = Self::default();
        let accent = match accent.filter(|accent| !accent.is_empty()) {
            Some(accent) => Colour::parse(accent)?,
            None => default.accent,
        };
        Some(Self { title: title.filter(|title| !title.is_empty()).unwrap_or(default.title), accent })
    }
}

/// A colour as HTML writes it, `#rrggbb`: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        // `from_str_radix` would also take a sign.
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        plain.then_some(Self([part(0)?, part(2)?, part(4)?]))
    }
}

impl HostedConnect {
    /// Derives the keys from the deployment's master secret for it. It cannot open the secrets of links.
    pub fn new(master: &[u8], address: Option<String>, return_urls: Vec<String>, branding: Branding) -> Self {
        let (keyring, verifiers) =
            (Keyring::new(&Key::derive(master, "client")), Key::derive(master, "verifier"));
        Self { keyring, secrets: None, verifiers, address, return_urls, branding }
    }

    /// Adds what seals the secrets of links.
    #[must_use]
    pub fn with_secrets(self, secrets: Keyring) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Gives what seals the secrets of links.
    pub fn secrets(&self) -> Result<&Keyring, Error> {
        self.secrets.as_ref().ok_or_else(|| Error::Internal("links' secrets are not opened here".into()))
    }

    /// Tells whether a browser may be sent back there, with the customers of that user.
    pub fn allows(&self, user: &User, return_url: &str) -> bool {
        self.return_urls.iter().chain(&user.return_urls).any(|allowed| allowed == return_url)
    }

    /// Makes the code verifier (RFC 7636) of a session, which only whoever was sent its state can ask for.
    pub fn code_verifier(&self, state: &str) -> String {
        verifier::session_verifier(&self.verifiers, state)
    }
}

/// Names the path that an element's vendor sends browsers back to. One for each element keeps vendors apart
/// (RFC 9700 section 4.4.2.2); some vendors allow a client only one for all.
pub fn callback_path(oauth2: &OAuth2, element: &str) -> String {
    match oauth2.authorize.callback_path {
        CallbackPath::Element => format!("/oauth/callback/{element}"),
        CallbackPath::Shared => "/oauth/callback".into(),
    }
}

/// Names the request that a vendor's callback must be: its method and path.
pub fn callback(oauth2: &OAuth2, element: &str) -> String {
    let method = match oauth2.authorize.response_mode {
        ResponseMode::Query => "GET",
        ResponseMode::FormPost => "POST",
    };
    format!("{method} {}", callback_path(oauth2, element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_urls_are_compared_byte_for_byte() {
        let own = ["https://a.example/x", "https://b.example/"].map(String::from);
        let connect = HostedConnect::new(b"m", None, own.to_vec(), Branding::default());
        let user = User { return_urls: vec!["https://mine.example/back?a=b".into()], ..User::default() };
        for url in ["https://a.example/x", "https://b.example/", "https://mine.example/back?a=b"] {
            assert!(connect.allows(&user, url), "{url}");
        }
        for url in [
            "https://a.example/x/",
            "https://a.example/X",
            "https://b.example",
            "https://mine.example/back",
            "",
        ] {
            assert!(!connect.allows(&user, url), "{url}");
        }
    }

    #[test]
    fn a_colour_is_six_hex_digits() {
        assert_eq!(Colour::parse("#1d4Ed8"), Some(Colour([0x1d, 0x4e, 0xd8])));
        for wrong in ["", "1d4ed8", "#1d4ed", "#1d4ed8a", "#+d4ed8", "#1d4edg", "red", "#é4ed8"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }
}
