//! A racer: one request to us, from its beginning to its end.

use crate::world::{DOUBT_ENDS, Id, LASTS, Life, Record, Tick, Token, Version, World};

/// What a racer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Wants a live access token: `Ask::Lasting`.
    Caller,
    /// Wants a new access token: `Ask::New`.
    Sweep,
    /// Brings the code of a new consent.
    Consent,
    /// Changes a secret of the configuration.
    Rekey,
    /// Deletes the instance.
    Removal,
}

/// Where a racer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Has not begun.
    #[default]
    Idle,
    /// Reads the record.
    Read,
    /// Takes the lease.
    Take,
    /// Gives back a lease that it cannot use.
    Abandon,
    /// Holds the lease; looks for what its predecessors have stored.
    Roll,
    /// Holds the lease; is about to ask the vendor, if it must.
    Ask,
    /// Holds the lease; has asked.
    Wait,
    /// Holds the lease; is about to store the version.
    Store,
    /// Has stored; is about to name the version.
    Commit,
    /// Gives the lease back with what is to be written down.
    Close(Word),
    /// Has a grant of an instance that is deleted; revokes it.
    Unkept,
    /// Marks the record.
    Mark,
    /// Revokes the grant of the marked record.
    Revoke,
    /// Removes the secret.
    Erase,
    /// Removes the record.
    Forget,
    /// Is done, or dead.
    End,
}

/// What is written down when nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Nothing.
    Nothing,
    /// That a refresh is in doubt.
    Doubt,
    /// That the grant has ended.
    Dead,
}

/// What the record must be told of a predecessor's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Base {
    /// There is none.
    #[default]
    None,
    /// Its generation and id; the tokens are those that the record knows.
    Secrets,
    /// All of it.
    Tokens,
}

/// A refresh request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// With which refresh token.
    pub token: Token,
    /// How many ticks ago.
    pub age: Tick,
}

/// One request to us, from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Racer {
    /// What it is there for.
    pub kind: Kind,
    /// Its owner id.
    pub id: Id,
    /// Where it stands.
    pub phase: Phase,
    /// How many ticks ago it began.
    pub age: Tick,
    /// Whether it stands still and is taken for dead.
    pub asleep: bool,
    /// The record as it was read, and under the lease `Lease::instance`.
    pub instance: Record,
    /// What the record must be told first.
    pub base: Base,
    /// When it lost the lease to one who gave it back: the generation at which it may still commit.
    pub unleased_at: Option<u8>,
    /// The grant that it has.
    pub grant: Option<Version>,
    /// Its request, which may outlive it.
    pub request: Option<Request>,
}

impl Racer {
    /// Makes one that has not begun.
    pub fn new(kind: Kind, id: Id) -> Self {
        Self {
            kind,
            id,
            phase: Phase::Idle,
            age: 0,
            asleep: false,
            instance: Record::default(),
            base: Base::None,
            unleased_at: None,
            grant: None,
            request: None,
        }
    }

    /// Tells whether it runs.
    pub fn is_at_work(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::End)
    }

    /// Tells whether it may ask the vendor, or is waiting for the answer.
    pub fn may_ask(&self) -> bool {
        matches!(self.phase, Phase::Roll | Phase::Ask | Phase::Wait) && !self.asleep
    }

    /// Tells whether its grant is in the vault, of an instance that lives.
    pub fn has_kept(&self, world: &World) -> bool {
        let stored = world.read(self.id, false).is_some() && world.record.life == Life::Live;
        stored || self.kind == Kind::Rekey
    }

    /// Ends it: by itself or by death. What it has not stored is lost.
    pub fn end(&mut self, world: &mut World) {
        if !self.has_kept(world)
            && let Some(grant) = self.grant
        {
            world.family(grant.token).lost = true;
        }
        *self = Self { phase: Phase::End, request: self.request, ..Self::new(self.kind, self.id) };
    }

    /// Lets a tick pass; a request that has run too long is ended by the platform.
    pub fn pass(&mut self, world: &mut World) {
        self.request = self.request.filter(|request| request.age < DOUBT_ENDS);
        if let Some(request) = &mut self.request {
            request.age += 1;
        }
        if !self.is_at_work() || self.asleep {
            return;
        }
        if self.age == LASTS {
            self.end(world);
        } else {
            self.age += 1;
        }
    }

    pub(crate) fn go(&mut self, phase: Phase) {
        self.phase = phase;
    }
}
