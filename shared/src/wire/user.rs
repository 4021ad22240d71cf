//! Users on the wire.

use serde::Serialize;

use crate::user::User;

/// A user, as admins see one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord<'a> {
    id: u64,
    email_address: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    admin: bool,
    disabled: bool,
    return_urls: &'a [String],
}

impl<'a> UserRecord<'a> {
    /// Shows a user.
    pub fn new(user: &'a User) -> Self {
        Self {
            id: user.id,
            email_address: &user.email_address,
            first_name: &user.first_name,
            last_name: &user.last_name,
            admin: user.admin,
            disabled: user.disabled,
            return_urls: &user.return_urls,
        }
    }
}

/// A user with a new secret, which is never told again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUser<'a> {
    #[serde(flatten)]
    user: UserRecord<'a>,
    user_secret: &'a str,
}

impl<'a> NewUser<'a> {
    /// Shows a user with the secret.
    pub fn new(user: &'a User, secret: &'a str) -> Self {
        Self { user: UserRecord::new(user), user_secret: secret }
    }
}

/// A user's return URLs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReturnUrls<'a> {
    return_urls: &'a [String],
}

impl<'a> ReturnUrls<'a> {
    /// Shows them.
    pub fn new(user: &'a User) -> Self {
        Self { return_urls: &user.return_urls }
    }
}
