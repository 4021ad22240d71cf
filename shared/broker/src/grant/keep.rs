//! New tokens of a refresh are stored: at once by whoever asked for them, or later by a process that has them in memory.

use crate::Broker;
use crate::client::Settings;
use crate::clock::Stopwatch;
use crate::events;
use crate::grant::rest;
use crate::grant::revoke::revoke_unkept;
use crate::grant::write::{self, Outcome};
use crate::record::account::Account;
use crate::record::grant::{Grant, OF_TOKENS, State};
use crate::record::tokens::TokenSet;
use crate::record::unsaved::UnsavedTokens;
use crate::store::StoreError;
use crate::store::records::Condition;
use crate::store::retry::{Deadline, Patience};

/// What became of new tokens.
pub(crate) enum Stored {
    /// They are stored; the grant as it is now.
    Kept(Box<Grant>),
    /// Newer ones are there.
    Newer,
    /// The grant is being removed.
    Gone,
}

/// Stores tokens with a number that was drawn, unless newer ones are there. Whether their owner is still the one who asks
/// does not matter: somebody who was taken for dead leaves that to whoever took its place, and goes on with a higher
/// number.
pub(crate) async fn store(
    broker: &Broker,
    mut found: Grant,
    owner: &str,
    number: u64,
    set: &TokenSet,
    deadline: Deadline,
) -> Result<Stored, StoreError> {
    let place = (found.family, number);
    let sealed = rest::seal(broker, &found, place, set)?;
    loop {
        let mut after = found.clone();
        after.take_tokens(place, &set.tokens, Some(sealed.clone()));
        let is_asking = found.asking_owner.as_deref() == Some(owner);
        if is_asking {
            after.stop_asking();
        }
        let older = [Condition::Equals("family", place.0.into()), Condition::Below("number", place.1.into())];
        let asking = is_asking.then(|| Grant::asked_by(owner));
        let conditions = asking.into_iter().chain([Grant::is_live()]).chain(older);
        let change = write::stating(broker, &found, after, OF_TOKENS, conditions)?;
        match write::persist(broker, &found, &change, deadline).await? {
            Outcome::Made(kept) => return Ok(Stored::Kept(Box::new(kept))),
            Outcome::Refused(Some(now)) if now.state != State::Live => return Ok(Stored::Gone),
            // The reply was lost.
            Outcome::Refused(Some(now)) if now.place() == place => return Ok(Stored::Kept(Box::new(now))),
            Outcome::Refused(Some(now)) if now.place() > place => return Ok(Stored::Newer),
            Outcome::Refused(Some(now)) => found = now,
            Outcome::Refused(None) => return Ok(Stored::Gone),
        }
    }
}

/// Revokes what a grant was given that is being removed. One that was brought along is its owner's.
pub(crate) async fn revoke_new(broker: &Broker, account: &Account, set: &TokenSet) -> Result<(), StoreError> {
    if !account.grant.is_imported() {
        let settings = Settings::of(broker, &account.instance).await?;
        revoke_unkept(broker, &account.instance, &settings, set).await;
    }
    Ok(())
}

/// Stores the tokens that the table did not take before, one attempt each. Tells how many are left.
pub async fn save(broker: &Broker) -> usize {
    let Some(unsaved) = &broker.unsaved else { return 0 };
    for tokens in unsaved.all() {
        let once = Deadline::new(Stopwatch::start(), Patience { attempts: 1, ..broker.patience });
        let UnsavedTokens { account, owner, number, set } = &tokens;
        let saved = match store(broker, account.grant.clone(), owner, *number, set, once).await {
            Ok(Stored::Kept(kept)) => {
                events::refreshed(&kept);
                Ok(())
            }
            Ok(Stored::Newer) => Ok(()),
            Ok(Stored::Gone) => revoke_new(broker, account, set).await,
            Err(cause) => Err(cause),
        };
        match saved {
            Ok(()) => unsaved.forget(&tokens),
            Err(cause) => {
                let instance = account.instance.id.0;
                tracing::warn!(instance, %cause, "new tokens are still in memory alone");
            }
        }
    }
    unsaved.count()
}
