//! Random names and keys, from the operating system.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;

/// Fills an array with random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done without it.
#[expect(clippy::expect_used, reason = "no caller could go on without randomness")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Makes a name of 128 random bits in 32 hex digits: a secret's name, a version's or a request's id.
pub fn id() -> String {
    hex(&bytes::<16>())
}

/// Makes a name that nobody guesses and that sorts by time: 8 hex digits of the seconds since 1970 and 128
/// random bits.
pub fn dated(now: Timestamp) -> String {
    format!("{now:08x}{}", id())
}

/// Makes a secret of 256 random bits in 43 characters that need no quoting anywhere.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// Writes bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Draws a number from a range, both ends included. It is for jitter, not for secrets.
pub fn between(least: u64, most: u64) -> u64 {
    least + u64::from_le_bytes(bytes()) % (most - least + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_hex_digits_and_differ() {
        let (a, b) = (id(), id());
        assert!(a.len() == 32 && a.bytes().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(a, b);
    }
}
