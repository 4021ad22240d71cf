//! What a scenario consists of: who races, for whose tokens, and how much may go wrong.

use crate::racer::Kind;

/// How the vendor treats a refresh token that was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Habit {
    /// It ends the whole grant.
    #[default]
    Strict,
    /// It refuses the token and nothing more.
    Lenient,
    /// Within a grace it gives another pair, and every pair lives until its successor is used.
    GraceAll,
    /// Within a grace it gives another pair, and only the newest lives.
    GraceNewest,
}

/// Where the tokens are at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// In Secrets Manager.
    #[default]
    Secret,
    /// In the record; a secret is named and does not exist.
    Named,
    /// In the record.
    Table,
    /// There is no instance.
    Nothing,
}

/// Where the tokens belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Home {
    /// In Secrets Manager.
    #[default]
    Secret,
    /// In the record.
    Table,
}

/// How a refresh reads its two items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// At one moment.
    #[default]
    Together,
    /// The instance first.
    InstanceFirst,
    /// The grant first.
    GrantFirst,
}

/// What is checked.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// Who races, at most [`crate::world::RACERS`].
    pub racers: Vec<Kind>,
    /// How many faults may happen.
    pub faults: u8,
    /// How the vendor treats a used refresh token.
    pub habit: Habit,
    /// Whether the vendor ends older grants when it makes a new one.
    pub ends_older: bool,
    /// Where the tokens are at the start.
    pub start: Start,
    /// Where the tokens belong.
    pub home: Home,
    /// How a refresh reads its two items.
    pub reads: Reads,
    /// Whether the first racer's clock is wild.
    pub wild_clock: bool,
    /// Whether the vendor refuses the first settings.
    pub wrong_settings: bool,
}

impl Scenario {
    /// Tells whether a racer of this kind takes part.
    pub fn has(&self, kind: Kind) -> bool {
        self.racers.contains(&kind)
    }

    /// Tells whether a token is imported.
    pub fn imports(&self) -> bool {
        self.has(Kind::Import)
    }

    /// Tells whether the vendor gives another pair for a used refresh token, for a while.
    pub fn has_grace(&self) -> bool {
        matches!(self.habit, Habit::GraceAll | Habit::GraceNewest)
    }
}
