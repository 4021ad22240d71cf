//! Secrets Manager.

use crate::world::Token;

/// A secret in Secrets Manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Secret {
    /// Whether it exists.
    pub state: SecretState,
    /// The pairs that were put into it, as a set.
    pub versions: u32,
}

/// Whether a secret exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecretState {
    /// It was never made.
    #[default]
    Unmade,
    /// It exists.
    There,
    /// It was deleted. Nobody makes it again.
    Deleted,
}

impl Secret {
    /// Tells whether it exists.
    pub fn is_there(&self) -> bool {
        self.state == SecretState::There
    }

    /// Tells whether a pair can be read from it.
    pub fn has(&self, token: Token) -> bool {
        self.is_there() && self.versions & token.bit() != 0
    }

    /// Puts a pair into it.
    pub fn put(&mut self, token: Token) {
        self.state = SecretState::There;
        self.versions |= token.bit();
    }

    /// Deletes it, if it exists.
    pub fn delete(&mut self) {
        if self.is_there() {
            *self = Self { state: SecretState::Deleted, versions: 0 };
        }
    }
}
