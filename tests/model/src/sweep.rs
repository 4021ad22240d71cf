//! The sweep: finishes pending instances whose maker has certainly ended, deletions, and grants without an
//! instance. It reads the grant first and then the instance, so that an orphan is one.

use crate::item::{Grant, GrantState, InstanceState};
use crate::mutant::Mutant;
use crate::phase::{Creation, Deletion, Phase, Sweeping};
use crate::racer::Kind;
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::world::Token;

impl Step<'_> {
    pub(crate) fn sweep(&mut self, phase: Sweeping) -> Made {
        match phase {
            Sweeping::Decide => self.decide(),
            Sweeping::Finish => self.finish(),
            Sweeping::Fence => self.fence(),
            Sweeping::Discard => self.sweep_away(),
        }
    }

    pub(crate) fn begin_sweep(&mut self) -> Made {
        self.reads()?;
        self.racer().grant = self.grant();
        if self.breaks(Mutant::SweepReadsInstanceFirst) {
            self.racer().instance = self.instance();
        }
        self.go(Phase::Sweep(Sweeping::Decide))
    }

    fn decide(&mut self) -> Made {
        self.reads()?;
        let (grant, instance) = if self.breaks(Mutant::SweepReadsInstanceFirst) {
            (self.grant(), self.me().instance)
        } else {
            (self.me().grant, self.instance())
        };
        if instance.is_pending() && self.is_maker_in_time() && !self.breaks(Mutant::SweepsTooSoon) {
            return None;
        }
        let undoes = self.breaks(Mutant::SweepUndoesPending);
        let orphan = !grant.is_gone() && !self.breaks(Mutant::NoOrphans);
        let rest = Phase::Delete(Deletion::ReadGrant);
        self.go(match instance.state {
            InstanceState::Pending if instance.imported => self.after_import(grant),
            InstanceState::Pending if grant.is_live() && !undoes => Phase::Sweep(Sweeping::Finish),
            InstanceState::Pending => Phase::Sweep(Sweeping::Discard),
            InstanceState::Deleting => rest,
            InstanceState::Absent | InstanceState::Removed if orphan => rest,
            _ => Phase::End,
        })
    }

    fn after_import(&self, grant: Grant) -> Phase {
        match grant.state {
            GrantState::Live if self.breaks(Mutant::SweepFinishesUndecided) => Phase::Sweep(Sweeping::Finish),
            GrantState::Live => Phase::Create(Creation::ReadBoth),
            GrantState::Ending => Phase::Sweep(Sweeping::Discard),
            _ if self.breaks(Mutant::SweepPutsNoFence) => Phase::Sweep(Sweeping::Discard),
            _ => Phase::Sweep(Sweeping::Fence),
        }
    }

    /// The time that the instance tells is its maker's. A repeat of an import may be at work all the same.
    fn is_maker_in_time(&self) -> bool {
        self.state.racers.iter().any(|racer| {
            let made =
                racer.put || racer.kind == Kind::Create || racer.phase == Phase::Create(Creation::Instance);
            let makes = racer.kind.creates() && racer.is_active() && racer.phase != Phase::Start;
            makes && made && !racer.overdue && racer.place == self.me().place
        })
    }

    fn finish(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if !self.instance().is_pending() {
            return self.refused(Phase::End);
        }
        self.saw(Sight::FinishedBySweep);
        self.show();
        self.applied(Phase::End)
    }

    /// Puts a grant that is ending in the place of an import's, so that a late maker cannot begin with one.
    fn fence(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (grant, family) = (self.grant(), self.instance().consents);
        match grant.state {
            GrantState::Live => self.refused(Phase::Create(Creation::ReadBoth)),
            GrantState::Ending => self.refused(Phase::Sweep(Sweeping::Discard)),
            GrantState::Absent | GrantState::Removed => {
                self.place().grant = Grant {
                    state: GrantState::Ending,
                    token: Token::first(family),
                    imported: true,
                    ..Grant::default()
                };
                self.applied(Phase::Sweep(Sweeping::Discard))
            }
        }
    }

    fn sweep_away(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if !self.instance().is_pending() {
            return self.refused(Phase::End);
        }
        self.give_up();
        self.applied(Phase::Delete(Deletion::ReadGrant))
    }
}
