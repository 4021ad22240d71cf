//! Tokens that no store took, in memory until one does. A Lambda function has no such memory: it stands still between
//! requests.

use std::sync::{Mutex, PoisonError};

use crate::record::account::Account;
use crate::record::grant::Grant;
use crate::record::tokens::{TokenSet, Tokens};

/// What a vendor gave, and the table did not take.
#[derive(Debug, Clone)]
pub(crate) struct UnsavedTokens {
    /// The account as whoever asked has read it.
    pub(crate) account: Account,
    /// Who asked.
    pub(crate) owner: String,
    /// The number of the tokens.
    pub(crate) number: u64,
    /// The tokens.
    pub(crate) set: TokenSet,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Unsaved(Mutex<Vec<UnsavedTokens>>);

impl Unsaved {
    /// Counts the grants whose tokens are nowhere else.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Keeps tokens.
    pub(crate) fn keep(&self, tokens: UnsavedTokens) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tokens);
    }

    /// Gives a grant's tokens, if they are newer than those that are stored.
    pub(crate) fn newer_than(&self, grant: &Grant) -> Option<Tokens> {
        let unsaved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |tokens: &UnsavedTokens| (tokens.account.grant.family, tokens.number);
        let newer = unsaved.iter().filter(|tokens| {
            tokens.account.grant.instance == grant.instance && place(tokens) > grant.place()
        });
        newer.max_by_key(|tokens| place(tokens)).map(|tokens| tokens.set.tokens.clone())
    }

    /// Gives all of them, to be stored.
    pub(crate) fn all(&self) -> Vec<UnsavedTokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets tokens that are stored.
    pub(crate) fn forget(&self, stored: &UnsavedTokens) {
        let is_other = |tokens: &UnsavedTokens| tokens.owner != stored.owner;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(is_other);
    }
}
