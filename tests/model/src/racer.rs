//! Who races: each racer is one attempt of one process, which may die or stand still between any two steps.

use std::hash::{Hash, Hasher};

use crate::item::{Grant, Instance};
use crate::phase::{Creation, Move, Phase, Refresh};
use crate::world::{Id, Token};

/// What a racer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Refreshes the tokens.
    Refresh,
    /// Moves the tokens into Secrets Manager.
    Settle,
    /// Moves the tokens back into the record.
    Unsettle,
    /// Exchanges the code of a new consent.
    Consent,
    /// The same, and the vendor answers without a refresh token.
    BareConsent,
    /// Exchanges a code that another racer has too.
    SameCode,
    /// Exchanges the code of a new consent, and brings a new client.
    NewClient,
    /// Changes the settings.
    ChangeSettings,
    /// Deletes the instance and revokes its grant.
    Delete,
    /// Deletes the instance without revoking.
    DeleteWithoutRevoking,
    /// Creates an instance by a code, which another racer may have too.
    Create,
    /// Creates an instance by a refresh token, which another racer may have too.
    Import,
    /// Finishes what others have left.
    Sweep,
}

impl Kind {
    /// Tells whether it exchanges a code.
    pub fn exchanges(self) -> bool {
        matches!(self, Self::Consent | Self::BareConsent | Self::SameCode | Self::NewClient | Self::Create)
    }

    /// Tells whether it makes an instance.
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Import)
    }
}

/// Where a racer's request to the vendor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Request {
    /// There is none.
    #[default]
    None,
    /// On its way. It may outlive its sender.
    Sent,
    /// The vendor has answered with tokens.
    Granted,
    /// The vendor has refused.
    Refused,
    /// The vendor has certainly not acted on it.
    Failed,
}

/// One racer.
#[expect(clippy::struct_excessive_bools, reason = "each notes one thing that happened to the racer")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Racer {
    /// What it wants.
    pub kind: Kind,
    /// Its owner id.
    pub id: Id,
    /// Its next step.
    pub phase: Phase,
    /// The instance at which it works.
    pub place: u8,
    /// Whether its `asking` or its slot has ended while it stood still.
    pub late: bool,
    /// Whether it is a maker whose time is up.
    pub overdue: bool,
    /// The grant as it was read.
    pub grant: Grant,
    /// The instance as it was read.
    pub instance: Instance,
    /// The number that it was given: for a refresh `last`, for a consent `consents`.
    pub number: u8,
    /// The number of the tokens that it found; the name that it gave to a secret.
    pub found: u8,
    /// Its request.
    pub request: Request,
    /// The pair whose refresh token it sent, or which it expects for a code.
    pub token: Token,
    /// Whether it has the vendor's tokens.
    pub got: bool,
    /// Whether it has stored them.
    pub kept: bool,
    /// Whether it has put the instance.
    pub put: bool,
    /// Whether one who was taken for dead has stored its tokens after this one had looked.
    pub overtaken: bool,
}

impl Hash for Racer {
    /// Skips what is always empty before a racer begins and after it has ended.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.phase.hash(state);
        self.kind.hash(state);
        if self.phase == Phase::Start || self.phase == Phase::End && self.request == Request::None {
            return;
        }
        let flags = [self.late, self.overdue, self.got, self.kept, self.put, self.overtaken];
        let flags = flags.iter().fold(0, |set, flag| set << 1 | u8::from(*flag));
        let Token { family, number } = self.token;
        [flags, self.place, self.number, self.found, family, number].hash(state);
        self.request.hash(state);
        self.grant.hash(state);
        self.instance.hash(state);
    }
}

impl Racer {
    /// Makes one that has not begun.
    pub fn new(kind: Kind, id: Id) -> Self {
        Self {
            kind,
            id,
            phase: Phase::Start,
            place: 0,
            late: false,
            overdue: false,
            grant: Grant::default(),
            instance: Instance::default(),
            number: 0,
            found: 0,
            request: Request::None,
            token: Token::default(),
            got: false,
            kept: false,
            put: false,
            overtaken: false,
        }
    }

    /// Makes one that has ended.
    pub fn ended(kind: Kind, id: Id) -> Self {
        Self { phase: Phase::End, ..Self::new(kind, id) }
    }

    /// Ends it. Only a request that is on its way stays.
    pub fn end(&mut self) {
        let ended = Self::ended(self.kind, self.id);
        *self = if self.request == Request::Sent {
            Self {
                request: Request::Sent,
                token: self.token,
                number: self.number,
                instance: self.instance,
                place: self.place,
                ..ended
            }
        } else {
            ended
        };
    }

    /// Tells whether it has not ended.
    pub fn is_active(&self) -> bool {
        self.phase != Phase::End
    }

    /// Tells whether it waits for the vendor.
    pub fn waits(&self) -> bool {
        self.phase == Phase::Wait
    }

    /// Tells whether its request is on its way.
    pub fn has_sent(&self) -> bool {
        self.request == Request::Sent
    }

    /// Tells whether it refreshes, from the take to the last write of the grant. An import takes `asking`
    /// with the put of its grant.
    pub fn refreshes(&self) -> bool {
        let imports = self.kind == Kind::Import;
        match self.phase {
            Phase::Refresh(_) => true,
            Phase::Wait => !self.kind.exchanges(),
            Phase::Create(Creation::Grant | Creation::ReadBoth) => imports,
            _ => false,
        }
    }

    /// Tells whether it has been answered with tokens that it has not stored.
    pub fn holds_answer(&self) -> bool {
        (self.request == Request::Granted || self.got) && !self.kept
    }

    /// Tells whether it may still read or write a secret.
    pub fn uses_secret(&self, place: u8, name: u8) -> bool {
        if self.place != place || self.late {
            return false;
        }
        match self.phase {
            Phase::Refresh(Refresh::ReadOther | Refresh::Take | Refresh::Refuse) => false,
            Phase::Refresh(_) | Phase::Move(Move::Put | Move::Unseal) => self.grant.secret.name == name,
            Phase::Wait => !self.kind.exchanges() && self.grant.secret.name == name,
            Phase::Move(Move::Name) => self.found == name,
            _ => false,
        }
    }

    /// Returns the pair that the vendor gives it.
    pub fn answer(&self) -> Token {
        if self.kind.exchanges() {
            self.token
        } else {
            Token { family: self.token.family, number: self.number }
        }
    }
}
