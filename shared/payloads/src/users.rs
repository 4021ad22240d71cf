//! Users, as admins see them.

use serde::{Deserialize, Serialize};

/// A user.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user's number.
    pub id: u64,
    /// How people know the user.
    pub email_address: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Whether the user may manage users.
    pub admin: bool,
    /// Whether the user is refused.
    pub disabled: bool,
    /// Where hosted connect may send the user's customers back to.
    pub return_urls: Vec<String>,
}

/// A user with a new secret, which is never shown again. It has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUser {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// `User` in the `Authorization` header.
    pub user_secret: String,
}

/// A user's return URLs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReturnUrls {
    /// URLs, compared byte for byte.
    pub return_urls: Vec<String>,
}
