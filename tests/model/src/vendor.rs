//! The vendor: which pairs of tokens it accepts, and what it does with a request that arrives.

use crate::model::Model;
use crate::scenario::{Habit, Start};
use crate::world::{FAMILIES, LAST_FAMILY, Token};

/// The family from which the imported refresh token is.
pub const IMPORTED: u8 = 1;

/// How many pairs there are at most.
const PAIRS: usize = FAMILIES * 8;

/// What the vendor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vendor {
    /// The pairs that it accepts, as a set.
    alive: u32,
    /// 1 + the label of the pair for which each pair was given; 0 if it was given for none.
    parents: [u8; PAIRS],
    /// The vendor's family behind each of ours: a consent without a refresh token begins none there.
    families: [u8; FAMILIES],
    /// 1 + the label of the pair behind (f, 0), if the family began with a token of an older one.
    aliases: [u8; FAMILIES],
    /// The client to which each family was given.
    clients: [u8; FAMILIES],
    /// The families that it has made, as a set.
    made: u8,
}

impl Vendor {
    /// Makes the vendor of a scenario, which knows the grant that is there or will be imported.
    pub fn new(model: &Model) -> Self {
        let scenario = &model.scenario;
        let (alive, made) = match scenario.start {
            _ if scenario.imports() => (Token::first(IMPORTED).bit(), 1 << IMPORTED),
            Start::Nothing => (0, 0),
            _ => (Token::first(0).bit(), 1),
        };
        Self {
            alive,
            parents: [0; PAIRS],
            families: [0, 1, 2, 3],
            aliases: [0; FAMILIES],
            clients: [0; FAMILIES],
            made,
        }
    }

    /// Returns the label of the pair behind one of ours.
    pub fn behind(&self, token: Token) -> u8 {
        match self.aliases[usize::from(token.family)] {
            alias if token.number == 0 && alias != 0 => alias - 1,
            _ => token.label(),
        }
    }

    /// Returns the vendor's family behind one of ours.
    pub fn family(&self, family: u8) -> u8 {
        self.families[usize::from(family)]
    }

    /// Returns our families behind which the vendor has the same one.
    pub fn same_family(&self, family: u8) -> impl Iterator<Item = u8> + use<> {
        let (families, sought) = (self.families, self.family(family));
        (0..).zip(families).filter(move |(_, behind)| *behind == sought).map(|(ours, _)| ours)
    }

    /// Returns all pairs of the vendor's family behind one of ours, as a set.
    pub fn pairs(&self, family: u8) -> u32 {
        self.same_family(family).fold(0, |set, ours| set | 0xff << (ours * 8))
    }

    /// Tells whether it accepts a pair.
    pub fn accepts(&self, token: Token) -> bool {
        self.alive & (1 << self.behind(token)) != 0
    }

    /// Tells whether it accepts any pair of ours in a family.
    pub fn has_living(&self, family: u8) -> bool {
        self.alive & (0xff << (family * 8)) != 0
    }

    /// Tells whether it has made a family.
    pub fn has_made(&self, family: u8) -> bool {
        self.made & (1 << family) != 0
    }

    /// Tells whether it has given another pair for this one.
    pub fn has_answered(&self, token: Token) -> bool {
        self.parents.contains(&(1 + self.behind(token)))
    }

    /// Ends a grant.
    pub fn revoke(&mut self, family: u8) {
        self.alive &= !self.pairs(family);
    }

    /// Lets one of our families go on with the refresh token of a pair of another.
    pub fn continue_as(&mut self, old: Token, family: u8) {
        let (from, to) = (usize::from(old.family), usize::from(family));
        self.aliases[to] = 1 + self.behind(old);
        self.families[to] = self.families[from];
        self.clients[to] = self.clients[from];
    }

    /// Makes a new grant for a code.
    pub fn exchange(&mut self, model: &Model, family: u8, client: u8) {
        self.alive |= Token::first(family).bit();
        self.made |= 1 << family;
        self.clients[usize::from(family)] = client;
        if model.scenario.ends_older {
            (0..=LAST_FAMILY).filter(|older| *older != family).for_each(|older| self.revoke(older));
        }
    }

    /// Tells whether it would refresh a pair for a client with these settings.
    pub fn would_refresh(&self, model: &Model, token: Token, client: u8, settings: u8) -> bool {
        let given_to = self.clients[usize::from(self.family(token.family))];
        self.accepts(token) && client == given_to && !(model.scenario.wrong_settings && settings == 0)
    }

    /// Gives a new pair for an old one. Returns whether that number is free.
    pub fn refresh(&mut self, habit: Habit, old: Token, new: Token) -> bool {
        let behind = self.behind(old);
        match habit {
            Habit::GraceAll => {
                if let Some(parent) = self.parents[usize::from(behind)].checked_sub(1) {
                    self.alive &= !(1 << parent);
                }
            }
            Habit::GraceNewest => self.alive &= !self.pairs(old.family) | 1 << behind,
            Habit::Strict | Habit::Lenient => self.alive &= !self.pairs(old.family),
        }
        self.alive |= new.bit();
        let place = &mut self.parents[usize::from(new.label())];
        let free = *place == 0;
        *place = 1 + behind;
        free
    }

    /// Refuses a refresh token. Most vendors take it for stolen and end the grant.
    pub fn refuse(&mut self, model: &Model, token: Token) {
        if model.scenario.habit != Habit::Lenient && !model.scenario.wrong_settings {
            self.revoke(token.family);
        }
    }
}
