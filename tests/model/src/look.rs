//! The looks of a refresh for what others have left, and what follows from them.

use crate::item::Grant;
use crate::mutant::Mutant;
use crate::phase::{Copying, Creation, Phase, Refresh};
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::world::Token;

impl Step<'_> {
    /// Returns the number of the newest tokens that those have left who asked before; 0 if there are none.
    fn newest_left(&self, highest: u8) -> u8 {
        let seen = self.me().grant;
        let place = &self.state.world.places[usize::from(self.me().place)];
        let secret = &place.secrets[usize::from(seen.secret.name)];
        let first = seen.token.number + 1;
        let mut found = (first..=highest)
            .filter(|number| secret.has(Token { number: *number, ..seen.token }))
            .filter(|number| !self.breaks(Mutant::LooksAtNextOnly) || *number == first)
            .filter(|number| !self.breaks(Mutant::LooksAtLastOnly) || *number == highest);
        let lowest = if self.breaks(Mutant::LooksLowestFirst) { found.next() } else { None };
        lowest.or_else(|| found.next_back()).unwrap_or(0)
    }

    pub(crate) fn look(&mut self) -> Made {
        self.repeats_harmlessly()?;
        if self.is_denied() {
            return self.go(Phase::Refresh(Refresh::GiveBack));
        }
        let found = self.newest_left(self.me().grant.last);
        self.racer().found = found;
        let unread = self.breaks(Mutant::NoReadAgain);
        let none = if unread { Refresh::Ask } else { Refresh::ReadAgain };
        self.go(Phase::Refresh(if found == 0 { none } else { Refresh::Adopt }))
    }

    /// One who was taken for dead may have committed since.
    pub(crate) fn read_again(&mut self) -> Made {
        self.reads()?;
        let moved = self.grant().token != self.me().grant.token || !self.grant().is_live();
        self.go(Phase::Refresh(if moved { Refresh::GiveBack } else { Refresh::Ask }))
    }

    pub(crate) fn look_again(&mut self) -> Made {
        self.repeats_harmlessly()?;
        if self.is_denied() {
            return self.go(Phase::Refresh(Refresh::GiveBack));
        }
        let blind = self.breaks(Mutant::NoSecondLook);
        let found = if blind { 0 } else { self.newest_left(self.me().number) };
        self.racer().found = found;
        self.go(Phase::Refresh(if found == 0 { Refresh::Refuse } else { Refresh::Adopt }))
    }

    pub(crate) fn adopt(&mut self) -> Made {
        if self.is_denied() {
            return self.go(Phase::Refresh(Refresh::GiveBack));
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let token = Token { number: self.me().found, ..seen.token };
        let older = grant.token.family == token.family && grant.token.number < token.number;
        let same = grant.token == seen.token
            || self.breaks(Mutant::AdoptsOverAny) && grant.token != token
            || self.breaks(Mutant::AdoptsOverOlder) && older;
        let mine = self.is_asking() || self.breaks(Mutant::AdoptsUnasked);
        if !(grant.is_live() && same && mine) {
            return self.refused(Phase::Refresh(Refresh::GiveBack));
        }
        self.saw(Sight::Adopted);
        let written = &mut self.place().grant;
        *written = Grant { token, sealed: false, refused: 0, due: 1, ..*written };
        self.free();
        let next = self.after_refresh(Phase::End);
        self.applied(next)
    }

    pub(crate) fn refuse(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let as_read = self.is_asking() && grant.token == seen.token;
        if !(grant.is_live() && (as_read || self.breaks(Mutant::RefusesAny))) {
            let mine = self.is_asking();
            let next = if self.me().instance.is_pending() {
                Phase::Create(Creation::ReadBoth)
            } else {
                Phase::Copy(Copying::Read)
            };
            return self.refused(if mine { Phase::Refresh(Refresh::GiveBack) } else { next });
        }
        self.saw(Sight::Refused);
        let refused = 1 + self.me().instance.number();
        let hasty = self.breaks(Mutant::DueGoesWithRefusal);
        let written = &mut self.place().grant;
        written.refused = refused;
        if hasty {
            written.due = 0;
        }
        self.free();
        self.racer().grant.refused = refused;
        let next = self.after_refresh(Phase::Copy(Copying::Read));
        self.applied(next)
    }
}
