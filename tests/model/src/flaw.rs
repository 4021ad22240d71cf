//! What must never happen, by the property that it breaks.

use stateright::Property;

use crate::model::{Model, State};

/// One way in which a property fails. The numbers are those of the properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// 1: a grant that was received and kept does not work at the end.
    GrantLost,
    /// 1: the newest consent's grant is not the current one at the end.
    ConsentLost,
    /// 1: a creation is undone although its maker is in time.
    UndoneInTime,
    /// 1: a grant that was put is thrown away with its creation.
    CreationLost,
    /// 1: the settings name a client for which there are no tokens, and nobody sends them again.
    SettingsAhead,
    /// 2: a refresh token is sent again by one who knows of no doubt.
    SentWithoutDoubt,
    /// 2: a refresh token is sent again while the first request is on its way.
    SentOnItsWay,
    /// 2: a refresh token is sent again while its first holder is in time.
    SentInTime,
    /// 3: older tokens replace newer ones.
    WentBack,
    /// 3: the current tokens are nowhere.
    NotFound,
    /// 4: a deleted instance is visible again.
    InstanceBack,
    /// 4: a deleted grant is live again.
    GrantBack,
    /// 4: a deleted instance leaves a secret.
    SecretLeft,
    /// 4: a deleted instance leaves a grant that the vendor accepts.
    LivingGrantLeft,
    /// 5: settings that were acknowledged are gone.
    SettingsLost,
    /// 6: `asking` stays for ever.
    Locked,
    /// 6: one that runs alone does not end.
    Stuck,
    /// 6: tokens that are no longer refused are never due.
    NeverDue,
    /// 6: the tokens are not where they belong.
    NotMoved,
    /// 6: a secret is left that no grant names.
    SecretLeftOver,
    /// 6: a new consent does not make the grant work.
    ConsentInVain,
    /// 6: a creation or deletion is never finished.
    Unfinished,
    /// 8: a code is sent twice.
    CodeSentTwice,
    /// 9: a visible instance has no live grant.
    NoGrant,
    /// 9: a grant without an instance stays for ever.
    Orphan,
    /// 9: the copy does not agree after sweeps alone.
    CopyDisagrees,
    /// 10: the vendor gives two pairs under one number.
    NumberTwice,
    /// 10: the newest pair that anybody received does not work at the end.
    NewestLost,
    /// 11: the token of an import that left no instance cannot be imported again.
    Barred,
    /// 11: an import was taken back, and its token does not work any more.
    ImportLost,
    /// 11: the marker goes while a request with the token may still arrive.
    UnmarkedTooSoon,
    /// 11: an import is revoked although its instance was deleted without revoking.
    RevokedUnasked,
}

/// The properties, by number. There is no 7.
pub const PROPERTIES: [(u8, &str); 10] = [
    (1, "1 a grant that was received is kept if a store accepts it"),
    (2, "2 no token is sent again but in doubt, after every earlier request has ended"),
    (3, "3 tokens never go back, and the current ones can be read"),
    (4, "4 a deletion is final and leaves nothing"),
    (5, "5 acknowledged settings stay"),
    (6, "6 whatever anybody leaves is finished, and a new consent helps"),
    (8, "8 a code is sent once"),
    (9, "9 a live instance has a live grant, no grant is without one for ever, and the copy agrees"),
    (10, "10 the newest pair that anybody received is kept"),
    (11, "11 an import that left no instance can be repeated, and its token is not lost"),
];

impl Flaw {
    /// Returns the number of the property that it breaks.
    pub fn property(self) -> u8 {
        match self {
            Self::GrantLost
            | Self::ConsentLost
            | Self::UndoneInTime
            | Self::CreationLost
            | Self::SettingsAhead => 1,
            Self::SentWithoutDoubt | Self::SentOnItsWay | Self::SentInTime => 2,
            Self::WentBack | Self::NotFound => 3,
            Self::InstanceBack | Self::GrantBack | Self::SecretLeft | Self::LivingGrantLeft => 4,
            Self::SettingsLost => 5,
            Self::Locked
            | Self::Stuck
            | Self::NeverDue
            | Self::NotMoved
            | Self::SecretLeftOver
            | Self::ConsentInVain
            | Self::Unfinished => 6,
            Self::CodeSentTwice => 8,
            Self::NoGrant | Self::Orphan | Self::CopyDisagrees => 9,
            Self::NumberTwice | Self::NewestLost => 10,
            Self::Barred | Self::ImportLost | Self::UnmarkedTooSoon | Self::RevokedUnasked => 11,
        }
    }
}

fn holds(state: &State, number: u8) -> bool {
    state.flaw.is_none_or(|flaw| flaw.property() != number)
}

/// Returns the properties for the checker.
pub(crate) fn properties() -> Vec<Property<Model>> {
    let conditions: [fn(&Model, &State) -> bool; 10] = [
        |_, state| holds(state, 1),
        |_, state| holds(state, 2),
        |_, state| holds(state, 3),
        |_, state| holds(state, 4),
        |_, state| holds(state, 5),
        |model, state| holds(state, 6) && !model.is_stuck(state),
        |_, state| holds(state, 8),
        |_, state| holds(state, 9),
        |_, state| holds(state, 10),
        |_, state| holds(state, 11),
    ];
    let named = PROPERTIES.iter().zip(conditions);
    named.map(|((_, name), condition)| Property::always(name, condition)).collect()
}
