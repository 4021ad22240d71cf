//! What the racers share: the items of each instance and its secrets, the marker, and the vendor.

use crate::item::{Grant, GrantState, Instance, InstanceState, Marker, SecretName};
use crate::model::Model;
use crate::scenario::Start;
use crate::secret::Secret;
use crate::vendor::Vendor;

/// Names one attempt of one racer. A fresh one is made for each attempt.
pub type Id = u8;

/// The owner of an `asking` or a slot that nobody has.
pub const NOBODY: Id = 0;

/// How many racers there are at most.
pub const RACERS: usize = 4;

/// How many families there are at most.
pub const FAMILIES: usize = 4;

/// The last family: an instance has no more consents.
pub const LAST_FAMILY: u8 = 3;

/// How many instances exist side by side at most: an import that was taken back, and its repeat.
pub const PLACES: usize = 2;

/// The highest `last` with which a racer still takes `asking`. It bounds the search.
pub const HIGHEST: u8 = 5;

/// A pair of tokens, by the consent that began its family and its number in that family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The consent's number.
    pub family: u8,
    /// Grows with each refresh, with gaps.
    pub number: u8,
}

impl Token {
    /// Returns the pair with which a family begins.
    pub fn first(family: u8) -> Self {
        Self { family, number: 0 }
    }

    /// Returns its place in an array of all pairs.
    pub fn label(self) -> u8 {
        self.family * 8 + self.number
    }

    /// Returns its bit in a set of pairs.
    pub fn bit(self) -> u32 {
        1 << self.label()
    }
}

/// The items of one instance id, and its secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The item `instance`.
    pub instance: Instance,
    /// The item `grant`.
    pub grant: Grant,
    /// The secrets that may have been made for it; the name 0 has none.
    pub secrets: [Secret; 3],
}

impl Place {
    /// Returns the secret of this name.
    pub fn secret(&mut self, name: u8) -> &mut Secret {
        &mut self.secrets[usize::from(name)]
    }

    /// Tells whether the sweep finds something to do, by `due` of both items.
    pub fn needs_sweep(&self) -> bool {
        let orphan = self.instance.is_gone() && !self.grant.is_gone();
        orphan || self.instance.is_pending() || self.instance.is_deleting()
    }

    /// Tells whether the tokens that the grant names can be read.
    pub fn has_tokens(&self) -> bool {
        let grant = &self.grant;
        grant.sealed || self.secrets[usize::from(grant.secret.name)].has(grant.token)
    }
}

/// What the racers share, and what is noted for the properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The items of each instance id.
    pub places: [Place; PLACES],
    /// How many instance ids were given to imports.
    pub begun: u8,
    /// The marker.
    pub marker: Marker,
    /// The vendor.
    pub vendor: Vendor,
    /// The refresh tokens that were sent, of which nobody knows that the vendor did not act, as a set.
    pub sent: u32,
    /// How often the code was sent.
    pub codes: u8,
    /// The pairs of a grace vendor that came to nobody, as a set.
    pub lost: u32,
    /// The families that may be lost, as a set.
    pub excused: u8,
    /// The changes of settings that were acknowledged, as a set.
    pub acknowledged: u8,
    /// The instances that a user has deleted, as a set.
    pub deleted: u8,
    /// Whether one who changed the settings ended without a hint: the next caller mends that.
    pub unhinted: bool,
}

impl World {
    /// Makes the world in which a scenario starts.
    pub fn new(model: &Model) -> Self {
        let mut place = Place::default();
        let live = Grant { state: GrantState::Live, due: 1, ..Grant::default() };
        let named = SecretName { name: 1, leaving: false };
        match model.scenario.start {
            Start::Nothing => {}
            Start::Table => place.grant = Grant { sealed: true, ..live },
            Start::Named => place.grant = Grant { sealed: true, secret: named, ..live },
            Start::Secret => {
                place.grant = Grant { secret: named, ..live };
                place.secret(1).put(Token::default());
            }
        }
        if place.grant.is_live() {
            place.instance.state = InstanceState::Live;
        }
        Self {
            places: [place, Place::default()],
            begun: 0,
            marker: Marker::default(),
            vendor: Vendor::new(model),
            sent: 0,
            codes: 0,
            lost: 0,
            excused: 0,
            acknowledged: 0,
            deleted: 0,
            unhinted: false,
        }
    }

    /// Excuses the loss of the vendor's family behind one of ours.
    pub fn excuse(&mut self, family: u8) {
        self.excused = self.vendor.same_family(family).fold(self.excused, |set, ours| set | 1 << ours);
    }

    /// Excuses the loss of a new consent, and of what the vendor has ended with it.
    pub fn excuse_consent(&mut self, family: u8, ends_older: bool) {
        self.excused |= 1 << family;
        if ends_older {
            self.excused |= (1 << family) - 1;
        }
    }

    /// Tells whether a family may be lost.
    pub fn is_excused(&self, family: u8) -> bool {
        self.excused & (1 << family) != 0
    }
}
