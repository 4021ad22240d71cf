//! An import: its first refresh, and how it takes itself back.
//!
//! The vendor does not give an imported token a second time. So an import whose first refresh was certainly not
//! acted on must free the token, and must free it only then. The first refresh comes while the instance is
//! pending, and a grant is *decided* when its token was refreshed or refused (n > 0, or `refused`):
//!
//! 1. Put the marker {id, c = 1} if there is none.
//! 2. Put the instance, pending, if there is none.
//! 3. Put the grant, live, (1, 0), `asking` = (me, now), `last` = 1, if there is none. Like every put this is
//!    not repeated after a lost reply, but read.
//! 4. Read the instance and the grant, after the put. Instance live: done. Instance not pending: mark the
//!    grant ending if it is live, and stop. Grant ending: answer 409. Grant decided: go on at 6. `asking` mine:
//!    ask. `asking` of another that has not certainly ended: answer 409. Else take it as any refresh does.
//! 5. Ask once, in time by the own `since`, and commit or refuse as any refresh does. Unknown: leave all.
//! 6. `SET state = live, copy REMOVE due` on the instance if it is pending.
//!
//! A repeat finds the marker and goes on at 3 while the instance is pending. The sweep, once the maker has
//! certainly ended, goes on at 4; if there is no grant, it puts one that is ending, if there is none, and then
//! marks the instance. Only a decided grant is made live and only an undecided one is taken back, so that the
//! two exclude each other.
//!
//! # The take-back
//!
//! If the vendor has certainly not acted, and `asking` was not taken over:
//!
//! 1. Grant: `SET state = ending REMOVE asking` if live, (1, 0), not refused, `asking` mine. If this is refused
//!    and the grant is live, another asks: stop. If the grant is not live, go on.
//! 2. Instance: `SET state = deleting, due`, without revoking, if pending.
//! 3. The secret, if the grant names one, as in every deletion.
//! 4. Remove the grant if it is ending, and `secret` is as read.
//! 5. Remove the marker if it names this instance.
//! 6. Remove the instance if it is deleting. It goes last, since the sweep finds only the instance.
//!
//! Nobody need wait in 4: whoever asks with an undecided grant has `asking`, and that was mine. A user's deletion
//! without revoking has the same order, but in 4 it waits until lease and skew have passed since the grant was
//! marked: a consent may have removed the `asking` of one whose request is still on its way.
//!
//! A grant without an instance is removed without revoking, if it is an import's. A holder that finds such a
//! grant not live when it commits does not revoke either.
//!
//! # Simpler orders that the check refutes
//!
//! - The instance is marked before the grant: [`Mutant::TakeBackMarksInstanceFirst`].
//! - The import is taken back although `asking` was taken over: [`Mutant::TakeBackInDoubt`].
//! - The grant is put without `asking`, and taken afterwards: [`Mutant::ImportPutsUnasked`]. A late repeat puts an
//!   equal grant again, and one who had read the first takes the second.
//! - The instance is not read after the put: [`Mutant::ImportAsksUnread`].
//! - The sweep makes an undecided grant live: [`Mutant::SweepFinishesUndecided`].
//! - The sweep puts no grant before it marks the instance: [`Mutant::SweepPutsNoFence`].
//! - The marker is removed first, while others may ask, or last: [`Mutant::MarkerRemovedFirst`],
//!   [`Mutant::MarkerRemovedWhileAsking`], [`Mutant::MarkerRemovedLast`].
//! - The grant is removed whatever secret it names: [`Mutant::GrantRemovedWithAnySecret`].
//! - The orphan, or what a late holder was given, is revoked: [`Mutant::OrphanOfImportRevoked`],
//!   [`Mutant::LateHolderRevokesImport`].

use crate::item::{Asking, InstanceState};
use crate::mutant::Mutant;
use crate::phase::{Creation, Phase, Refresh};
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::vendor::IMPORTED;
use crate::world::{LAST_FAMILY, PLACES, Place, RACERS, Token};

impl Step<'_> {
    /// Gives an import a new instance id, and a family of its own for the same token. Both are few: no
    /// repeat is made whose family a consent has.
    pub(crate) fn begin_import(&mut self) -> bool {
        let begun = self.state.world.begun;
        if usize::from(begun) >= PLACES && usize::from(self.me().id) <= RACERS {
            return false;
        }
        let family = [IMPORTED, LAST_FAMILY, IMPORTED + 1][usize::from(begun).min(2)];
        if begun > 0 && self.state.world.vendor.has_made(family) {
            return false;
        }
        if begun > 0 {
            self.saw(Sight::ImportedAgain);
            self.state.world.vendor.continue_as(Token::first(IMPORTED), family);
            if self.state.world.is_excused(IMPORTED) {
                self.state.world.excused |= 1 << family;
            }
        }
        self.state.world.begun += 1;
        let racer = self.racer();
        racer.token = Token::first(family);
        racer.place = begun % 2;
        if usize::from(begun) >= PLACES {
            *self.place() = Place::default();
        }
        true
    }

    /// Decides how an import goes on, after its grant was put or found.
    pub(crate) fn read_both(&mut self) -> Made {
        self.reads()?;
        let (mut grant, mut instance) = (self.grant(), self.instance());
        let asking = self.is_asking();
        if asking {
            // The racer has put it, and took it over from nobody.
            grant.asking = Asking::default();
        }
        if self.breaks(Mutant::ImportAsksUnread) {
            instance.state = InstanceState::Pending;
        }
        let racer = self.racer();
        (racer.grant, racer.instance, racer.kept) = (grant, instance, false);
        racer.number = grant.last;
        if !instance.is_pending() {
            let orphan = !instance.is_live() && grant.is_live();
            return self.go(if orphan { Phase::Create(Creation::EndGrant) } else { Phase::End });
        }
        let free = self.may_ask_after(&grant);
        self.go(if asking && grant.is_live() {
            Phase::Refresh(Refresh::Ask)
        } else if !grant.is_live() {
            Phase::End
        } else if grant.is_decided() {
            Phase::Create(Creation::Live)
        } else if free {
            Phase::Refresh(Refresh::Take)
        } else {
            Phase::End
        })
    }

    /// The racer keeps nothing and nobody else asked before: the import's token was certainly not spent.
    pub(crate) fn take_back(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if self.breaks(Mutant::TakeBackMarksInstanceFirst) {
            return self.go(Phase::Create(Creation::Discard));
        }
        let marked = self.state.world.marker.place == self.me().place;
        if marked && self.breaks(Mutant::MarkerRemovedFirst) {
            self.unmark()?;
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let as_read = self.is_asking() && grant.token == seen.token && grant.refused == 0;
        if grant.is_live() && as_read {
            self.saw(Sight::TakenBack);
            self.end_grant();
            self.free();
            return self.applied(Phase::Create(Creation::Discard));
        }
        self.refused(if grant.is_live() { Phase::End } else { Phase::Create(Creation::Discard) })
    }
}
