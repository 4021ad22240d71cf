//! Users.

use broker::record::user::User;
use payloads::users::{NewUser, ReturnUrls, User as Payload};
use secrecy::{ExposeSecret, SecretString};

/// Shows a user.
pub fn user(user: &User) -> Payload {
    Payload {
        id: user.id.0,
        email_address: user.email_address.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        admin: user.admin,
        disabled: user.disabled,
        return_urls: user.return_urls.clone(),
    }
}

/// Shows a user with a new secret.
pub fn new_user(shown: &User, secret: &SecretString) -> NewUser {
    NewUser { user: user(shown), user_secret: secret.expose_secret().to_owned() }
}

/// Shows a user's return URLs.
pub fn return_urls(user: &User) -> ReturnUrls {
    ReturnUrls { return_urls: user.return_urls.clone() }
}
