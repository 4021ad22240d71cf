//! Tokens that no store took, in memory until one does. A Lambda function has no such memory: it stands still between
//! requests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::InstanceId;
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

/// Everything that is in memory alone.
#[derive(Debug, Default)]
pub struct Unsaved {
    tokens: Mutex<Vec<UnsavedTokens>>,
    held: Mutex<Vec<InstanceId>>,
}

/// A request that holds the first grant of an instance, or that of a new consent, until it is stored.
pub(crate) struct Held<'a>(&'a Unsaved, InstanceId);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = lock(&self.0.held);
        if let Some(place) = held.iter().position(|id| *id == self.1) {
            held.swap_remove(place);
        }
    }
}

impl Unsaved {
    /// Counts what is nowhere else: new tokens, and grants that requests hold.
    pub fn count(&self) -> usize {
        lock(&self.tokens).len() + lock(&self.held).len()
    }

    /// Says that a request holds a grant of an instance.
    pub(crate) fn hold(&self, id: InstanceId) -> Held<'_> {
        lock(&self.held).push(id);
        Held(self, id)
    }

    /// Tells whether a request holds a grant of an instance.
    pub(crate) fn holds(&self, id: InstanceId) -> bool {
        lock(&self.held).contains(&id)
    }

    /// Keeps tokens.
    pub(crate) fn keep(&self, tokens: UnsavedTokens) {
        lock(&self.tokens).push(tokens);
    }

    /// Gives a grant's tokens, if they are newer than those that are stored.
    pub(crate) fn newer_than(&self, grant: &Grant) -> Option<Tokens> {
        let unsaved = lock(&self.tokens);
        let place = |tokens: &UnsavedTokens| (tokens.account.grant.family, tokens.number);
        let newer = unsaved.iter().filter(|tokens| {
            tokens.account.grant.instance == grant.instance && place(tokens) > grant.place()
        });
        newer.max_by_key(|tokens| place(tokens)).map(|tokens| tokens.set.tokens.clone())
    }

    /// Gives all of them, to be stored.
    pub(crate) fn all(&self) -> Vec<UnsavedTokens> {
        lock(&self.tokens).clone()
    }

    /// Forgets tokens that are stored.
    pub(crate) fn forget(&self, stored: &UnsavedTokens) {
        let is_other = |tokens: &UnsavedTokens| tokens.owner != stored.owner;
        lock(&self.tokens).retain(is_other);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
