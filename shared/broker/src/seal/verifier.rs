//! Code verifiers (RFC 7636): made with a key, so that none is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::seal::key::{Key, mac};

/// Makes the code verifier (RFC 7636) of a redirect URL that was asked for over the API. Nothing is
/// stored between that request and the exchange, so it follows from what both of them know.
pub fn code_verifier(key: &Key, element: &str, client_id: &str, redirect_uri: &str) -> String {
    let parts = [element.as_bytes(), client_id.as_bytes(), redirect_uri.as_bytes()];
    URL_SAFE_NO_PAD.encode(mac(key.bytes(), &parts))
}

/// Makes the code verifier (RFC 7636) of a session of hosted connect: what is stored of the session does not
/// tell it, since of its state a fingerprint alone is stored.
pub fn session_verifier(key: &Key, state: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac(key.bytes(), &[state.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let key = Key::derive(b"master", "pkce");
        assert_ne!(code_verifier(&key, "ab", "c", "d"), code_verifier(&key, "a", "bc", "d"));
        assert_eq!(code_verifier(&key, "a", "b", "c").len(), 43);
    }
}
