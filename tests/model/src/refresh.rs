//! A refresh: takes `asking`, looks for what others have left, asks once, commits.

use crate::flaw::Flaw;
use crate::item::{Asking, Grant, GrantState, Instance, Since};
use crate::mutant::Mutant;
use crate::phase::{Copying, Phase, Refresh};
use crate::scenario::Reads;
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::world::{HIGHEST, RACERS};

impl Step<'_> {
    pub(crate) fn refresh(&mut self, phase: Refresh) -> Made {
        match phase {
            Refresh::ReadOther => self.read_other(),
            Refresh::Take => self.take(),
            Refresh::Look => self.look(),
            Refresh::ReadAgain => self.read_again(),
            Refresh::Ask => self.ask(),
            Refresh::Commit => self.commit(),
            Refresh::OtherStore => self.put_into_other_store(),
            Refresh::LookAgain => self.look_again(),
            Refresh::Adopt => self.adopt(),
            Refresh::Refuse => self.refuse(),
            Refresh::Release => self.release(),
            Refresh::GiveBack => self.give_back(),
            Refresh::TakeBack => self.take_back(),
        }
    }

    pub(crate) fn begin_refresh(&mut self) -> Made {
        self.reads()?;
        let (grant, instance) = (self.grant(), self.instance());
        let reads = self.model.scenario.reads;
        if reads != Reads::GrantFirst {
            self.racer().instance = instance;
        }
        if reads != Reads::InstanceFirst {
            self.racer().grant = grant;
        }
        if reads == Reads::Together { self.may_take() } else { self.go(Phase::Refresh(Refresh::ReadOther)) }
    }

    fn read_other(&mut self) -> Made {
        self.reads()?;
        if self.model.scenario.reads == Reads::InstanceFirst {
            self.racer().grant = self.grant();
        } else {
            self.racer().instance = self.instance();
        }
        self.may_take()
    }

    /// Decides by what was read whether a refresh may begin.
    fn may_take(&mut self) -> Made {
        let (grant, instance) = (self.me().grant, self.me().instance);
        if !instance.is_live() || !grant.is_live() {
            return self.end();
        }
        let differs =
            instance.copy.refused != grant.refused || instance.copy.token.family != grant.token.family;
        if self.is_refused(&grant, &instance) {
            return self.go(if differs || grant.due != 0 { Phase::Copy(Copying::Read) } else { Phase::End });
        }
        let other_client = instance.client != grant.client && !self.breaks(Mutant::AnyClient);
        if other_client || !self.may_ask_after(&grant) {
            let sweeps = differs && usize::from(self.me().id) > RACERS;
            return self.go(if sweeps { Phase::Copy(Copying::Read) } else { Phase::End });
        }
        self.go(Phase::Refresh(Refresh::Take))
    }

    /// Tells whether the vendor refused the tokens with the present settings.
    pub(crate) fn is_refused(&self, grant: &Grant, instance: &Instance) -> bool {
        let refused = grant.refused > instance.number() || self.breaks(Mutant::RefusedWithoutNumber);
        grant.refused != 0 && refused
    }

    /// Tells whether nobody asks, or one who has certainly ended.
    pub(crate) fn may_ask_after(&self, grant: &Grant) -> bool {
        let asking = grant.asking;
        let ended = self.breaks(Mutant::TakesTooSoon)
            || self.breaks(Mutant::WildIsPast) && asking.since == Since::Wild;
        (!asking.is_running() || ended) && grant.last <= HIGHEST
    }

    fn take(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let doubt = seen.asking.is_taken();
        let looks = doubt && grant.secret.is_usable() && !self.breaks(Mutant::NoLook);
        let next = Phase::Refresh(if looks { Refresh::Look } else { Refresh::Ask });
        if self.is_asking() {
            self.taken(&grant);
            let moved = grant.token != seen.token || !grant.is_live();
            return self.refused(if moved { Phase::Refresh(Refresh::GiveBack) } else { next });
        }
        if !self.may_be_taken(&seen, &grant) {
            return self.refused(Phase::End);
        }
        let last = if self.breaks(Mutant::NumbersFromCurrent) {
            grant.token.number + 1 + u8::from(grant.asking.is_taken())
        } else {
            grant.token.number.max(grant.last) + 1
        };
        let wild = self.model.scenario.wild_clock && self.who == 0;
        let since = if wild { Since::Wild } else { Since::Running };
        let owner = self.me().id;
        let written = &mut self.place().grant;
        written.asking = Asking { owner, since };
        written.last = last;
        self.racer().number = last;
        self.taken(&grant);
        self.applied(next)
    }

    /// Where the tokens rest counts as the take has returned it, not as it was read.
    fn taken(&mut self, grant: &Grant) {
        let seen = &mut self.racer().grant;
        (seen.sealed, seen.secret) = (grant.sealed, grant.secret);
    }

    fn may_be_taken(&self, seen: &Grant, grant: &Grant) -> bool {
        let same = grant.token == seen.token
            || self.breaks(Mutant::TakesAnyNumber) && grant.token.family == seen.token.family;
        let last = grant.last == seen.last || self.breaks(Mutant::TakesAnyLast);
        let anyway = self.breaks(Mutant::TakesAnyAsking) || self.breaks(Mutant::TakesTooSoon);
        let asking =
            grant.asking.owner == seen.asking.owner && grant.asking.is_running() == seen.asking.is_running();
        grant.is_live() && same && last && (asking || anyway)
    }

    fn ask(&mut self) -> Made {
        self.reads()?;
        if self.me().late {
            return self.go(Phase::Refresh(Refresh::GiveBack));
        }
        let (seen, place) = (self.me().grant, self.place());
        if !seen.sealed && !place.secret(seen.secret.name).has(seen.token) {
            return self.fail_with(Flaw::NotFound);
        }
        let doubt = seen.asking.is_taken();
        if doubt {
            self.saw(Sight::AskedInDoubt);
        }
        self.send_refresh(doubt)
    }

    fn release(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if !self.is_asking() {
            return self.refused(Phase::End);
        }
        self.free();
        self.applied(Phase::End)
    }

    fn give_back(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if !self.is_asking() {
            return self.refused(Phase::End);
        }
        let before = self.me().grant.asking;
        if !before.is_taken() || self.breaks(Mutant::DoubtForgotten) {
            self.free();
        } else {
            self.saw(Sight::GaveBackInDoubt);
            let puts_back = self.breaks(Mutant::OldOwnerPutBack);
            let asking = &mut self.place().grant.asking;
            asking.since = Since::Ended;
            if puts_back {
                asking.owner = before.owner;
            }
        }
        self.applied(Phase::End)
    }

    /// Marks the grant: from now on nobody commits to it or asks with it.
    pub(crate) fn end_grant(&mut self) {
        self.place().grant.state = GrantState::Ending;
    }

    /// The vendor has certainly not acted on the racer's request.
    pub(crate) fn after_failure(&mut self) -> Made {
        let doubt = self.me().grant.asking.is_taken();
        let imports = self.me().instance.is_pending();
        let withdraws = imports && (!doubt || self.breaks(Mutant::TakeBackInDoubt));
        self.go(Phase::Refresh(match (withdraws, doubt) {
            (true, _) => Refresh::TakeBack,
            (false, true) => Refresh::GiveBack,
            (false, false) => Refresh::Release,
        }))
    }
}
