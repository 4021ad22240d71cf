//! What a token endpoint grants (RFC 6749 section 5.1). Lifetimes are in seconds from the answer on: a vendor knows no
//! clock of ours.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// How long a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So many seconds from the answer on.
    Seconds(i64),
    /// Until then, in seconds since 1970.
    Until(i64),
    /// The answer says something that cannot be read, or cannot be true.
    Unclear,
}

/// The tokens of an answer.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access_token: SecretString,
    /// Its type, as the vendor wrote it; always a bearer token.
    pub token_type: String,
    /// How long it lives; `None`: nobody says.
    pub lifetime: Option<Lifetime>,
    /// The refresh token.
    pub refresh_token: Option<SecretString>,
    /// The seconds that the refresh token lives, unless it is used before; `None`: it does not expire, or the vendor
    /// does not say.
    pub refresh_expires_in: Option<i64>,
    /// The scope that was granted.
    pub scope: Option<String>,
}

/// What a token endpoint granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The tokens.
    pub tokens: Tokens,
    /// The further members of the answer that the descriptor keeps, by configuration key.
    pub extra: BTreeMap<String, String>,
    /// Why the answer has no access token that could be used, although it has a refresh token.
    pub odd: Option<String>,
}
