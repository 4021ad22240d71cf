//! The items of the table: `instance`, `grant` and `marker`.

use crate::world::{Id, NOBODY, Token};

/// Where a grant item stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// It was not put yet.
    #[default]
    Absent,
    /// It may be written.
    Live,
    /// It is being deleted.
    Ending,
    /// It is gone. The item keeps its token, for the properties only.
    Removed,
}

/// How old an `asking` or a slot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Since {
    /// Its owner may still be at work.
    #[default]
    Running,
    /// No right clock can have written it. It runs from the moment when somebody corrects it.
    Wild,
    /// Lease and skew have passed: it has certainly ended.
    Ended,
}

/// Who may spend the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Asking {
    /// The attempt, or [`NOBODY`].
    pub owner: Id,
    /// When it began.
    pub since: Since,
}

impl Asking {
    /// Tells whether there is one.
    pub fn is_taken(self) -> bool {
        self.owner != NOBODY
    }

    /// Tells whether there is one that has not certainly ended.
    pub fn is_running(self) -> bool {
        self.is_taken() && self.since != Since::Ended
    }
}

/// The secret that the grant names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecretName {
    /// Its name; 0 if the grant names none.
    pub name: u8,
    /// Whether its tokens were moved back into the record.
    pub leaving: bool,
}

impl SecretName {
    /// Tells whether tokens may be looked for and put there.
    pub fn is_usable(self) -> bool {
        self.name != 0 && !self.leaving
    }
}

/// The item `grant`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Whether it may be written.
    pub state: GrantState,
    /// Which tokens it holds: (f, n).
    pub token: Token,
    /// Whether the item holds the tokens itself.
    pub sealed: bool,
    /// Where tokens may rest.
    pub secret: SecretName,
    /// Who may spend the refresh token.
    pub asking: Asking,
    /// The highest number that was given to anyone who asked in this family.
    pub last: u8,
    /// 1 + the number of the settings with which the vendor refused the tokens; 0 if it did not.
    pub refused: u8,
    /// 0 if the sweep need not come, 1 if it must, more if a change of settings asked for it.
    pub due: u8,
    /// The client to which the tokens were given.
    pub client: u8,
    /// Whether the family began with an import.
    pub imported: bool,
}

impl Grant {
    /// Tells whether it may be written.
    pub fn is_live(&self) -> bool {
        self.state == GrantState::Live
    }

    /// Tells whether there is no item.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, GrantState::Absent | GrantState::Removed)
    }

    /// Tells whether an import's token was refreshed or refused. Until then it may be taken back.
    pub fn is_decided(&self) -> bool {
        self.token.number > 0 || self.refused != 0
    }

    /// Returns what an instance copies.
    pub fn summary(&self) -> Summary {
        Summary { token: self.token, refused: self.refused }
    }
}

/// Where an instance item stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// It was not put yet.
    #[default]
    Absent,
    /// It is being created, and nobody sees it.
    Pending,
    /// Everybody sees it.
    Live,
    /// It is being deleted.
    Deleting,
    /// It is gone. The item keeps whether it was revoked, for the properties only.
    Removed,
}

/// The copy of (f, n, refused) in an instance. A newer one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Summary {
    /// The tokens.
    pub token: Token,
    /// As in [`Grant::refused`].
    pub refused: u8,
}

/// The item `instance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instance {
    /// What anybody sees.
    pub state: InstanceState,
    /// The changes of the settings that were made, as a set.
    pub settings: u8,
    /// The client that the settings name.
    pub client: u8,
    /// The last number that was given to a consent.
    pub consents: u8,
    /// Who may exchange a code under that number.
    pub slot: Asking,
    /// What the grant held when it was last copied.
    pub copy: Summary,
    /// Whether its deletion revokes the grant.
    pub revokes: bool,
    /// Whether an import made it: then it knows its marker.
    pub imported: bool,
}

impl Instance {
    /// Returns how often the settings were changed.
    pub fn number(&self) -> u8 {
        u8::try_from(self.settings.count_ones()).unwrap_or(u8::MAX)
    }

    /// Tells whether everybody sees it.
    pub fn is_live(&self) -> bool {
        self.state == InstanceState::Live
    }

    /// Tells whether it is being created.
    pub fn is_pending(&self) -> bool {
        self.state == InstanceState::Pending
    }

    /// Tells whether it is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.state == InstanceState::Deleting
    }

    /// Tells whether there is no item.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, InstanceState::Absent | InstanceState::Removed)
    }
}

/// The item `marker` of a code or an imported token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marker {
    /// Who put it, or [`NOBODY`].
    pub owner: Id,
    /// The instance that it names.
    pub place: u8,
}
