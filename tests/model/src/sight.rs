//! What a check must have met, so that it is not true of nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that a racer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It committed in time.
    Committed,
    /// It committed although it had been taken for dead.
    CommittedLate,
    /// It committed newer tokens over those of one who had been taken for dead.
    CommittedOverLate,
    /// It found newer tokens when it committed.
    FoundNewer,
    /// It put tokens into Secrets Manager since the table was out of reach.
    OtherStore,
    /// It adopted what another had left.
    Adopted,
    /// It gave `asking` back in doubt.
    GaveBackInDoubt,
    /// It asked in doubt.
    AskedInDoubt,
    /// It wrote a refusal.
    Refused,
    /// It recognised its own write whose reply was lost.
    RecognisedOwn,
    /// It kept a new consent.
    ConsentKept,
    /// It told a consent to wait for the slot.
    ConsentWaits,
    /// It found newer settings than those of its consent.
    Superseded,
    /// It kept a consent without a refresh token.
    BareKept,
    /// It dropped an answer without a refresh token, for somebody asks.
    BareDropped,
    /// It settled the tokens.
    Settled,
    /// It moved the tokens back.
    MovedBack,
    /// It brought the copy up to date.
    Copied,
    /// It made an instance live.
    Created,
    /// It found its creation undone.
    CreatedTooLate,
    /// It finished another's creation.
    FinishedBySweep,
    /// It found a marker of another.
    MarkerFound,
    /// It took an import back.
    TakenBack,
    /// It removed the marker of an import.
    Unmarked,
    /// It imported a token again whose marker had been removed.
    ImportedAgain,
}

/// How many sights there are.
const SIGHTS: usize = Sight::ImportedAgain as usize + 1;

/// How often each was seen. A state that is reached in several ways counts as often.
#[derive(Debug, Default)]
pub struct Sights([AtomicU64; SIGHTS]);

impl Sights {
    /// Notes that something was seen.
    pub fn note(&self, sight: Sight) {
        self.0[sight as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often it was seen.
    pub fn count(&self, sight: Sight) -> u64 {
        self.0[sight as usize].load(Ordering::Relaxed)
    }
}
