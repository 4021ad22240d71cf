//! A deletion: marks the instance and the grant, revokes, removes.
//!
//! One without revoking also removes the marker of an import, so that the user may import the token
//! elsewhere or here again. The marker goes when the grant is gone, which waits until everybody who asked
//! has certainly ended; and before the instance, for only that is found by the sweep.

use crate::flaw::Flaw;
use crate::item::{Grant, GrantState, Instance, InstanceState, Marker};
use crate::mutant::Mutant;
use crate::phase::{Deletion, Phase};
use crate::racer::{Kind, Racer};
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::vendor::IMPORTED;
use crate::world::Token;

impl Step<'_> {
    pub(crate) fn delete(&mut self, phase: Deletion) -> Made {
        match phase {
            Deletion::Instance => self.mark_instance(),
            Deletion::ReadGrant => self.read_grant(),
            Deletion::Grant => self.mark_grant(),
            Deletion::Revoke => self.revoke(),
            Deletion::Secret => self.delete_secret(Phase::Delete(Deletion::RemoveGrant)),
            Deletion::RemoveGrant => self.remove_grant(),
            Deletion::RemoveMarker => self.remove_marker(),
            Deletion::RemoveInstance => self.remove_instance(),
        }
    }

    pub(crate) fn begin_delete(&mut self) -> Made {
        self.reads()?;
        let instance = self.instance();
        self.go(match instance.state {
            InstanceState::Live if !self.breaks(Mutant::GrantEndedFirst) => Phase::Delete(Deletion::Instance),
            InstanceState::Live | InstanceState::Deleting => Phase::Delete(Deletion::ReadGrant),
            _ => Phase::End,
        })
    }

    fn mark_instance(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (instance, next) = (self.instance(), Phase::Delete(Deletion::ReadGrant));
        if !instance.is_live() {
            return self.refused(if instance.is_deleting() { next } else { Phase::End });
        }
        self.state.world.deleted |= 1 << self.me().place;
        let revokes = self.me().kind == Kind::Delete;
        let written = &mut self.place().instance;
        written.state = InstanceState::Deleting;
        written.revokes = revokes;
        self.applied(next)
    }

    fn read_grant(&mut self) -> Made {
        self.reads()?;
        let (grant, instance) = (self.grant(), self.instance());
        let racer = self.racer();
        (racer.grant, racer.instance) = (grant, instance);
        let next = match grant.state {
            GrantState::Live => Deletion::Grant,
            GrantState::Ending => Deletion::Revoke,
            GrantState::Absent | GrantState::Removed => self.after_grant(),
        };
        self.go(Phase::Delete(next))
    }

    fn mark_grant(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if !self.grant().is_live() {
            return self.refused(Phase::Delete(Deletion::ReadGrant));
        }
        self.end_grant();
        self.applied(Phase::Delete(Deletion::Revoke))
    }

    fn revoke(&mut self) -> Made {
        self.reads()?;
        let grant = self.grant();
        if grant.is_live() {
            // A maker that came too late has put it again.
            return self.go(Phase::Delete(Deletion::ReadGrant));
        }
        self.racer().grant = grant;
        let instance = self.me().instance;
        let orphan = !grant.imported || self.breaks(Mutant::OrphanOfImportRevoked);
        let revokes = if instance.is_gone() { orphan } else { instance.revokes };
        if revokes && !grant.is_gone() {
            self.state.world.vendor.revoke(grant.token.family);
        }
        self.go(Phase::Delete(Deletion::Secret))
    }

    fn remove_grant(&mut self) -> Made {
        let grant = self.grant();
        if self.may_still_ask(&grant) && !self.breaks(Mutant::MarkerRemovedWhileAsking) {
            return None;
        }
        if self.is_denied() {
            return self.end();
        }
        let next = Phase::Delete(self.after_grant());
        if grant.state != GrantState::Ending {
            return self.refused(if grant.is_live() { Phase::Delete(Deletion::ReadGrant) } else { next });
        }
        if grant.secret != self.me().grant.secret && !self.breaks(Mutant::GrantRemovedWithAnySecret) {
            // A maker that came too late has put it again, and it was settled.
            return self.refused(Phase::Delete(Deletion::ReadGrant));
        }
        self.place().grant = Grant { state: GrantState::Removed, token: grant.token, ..Grant::default() };
        self.applied(next)
    }

    /// Tells whether somebody may still ask who took `asking` before the grant was marked. A consent may have
    /// removed that `asking`, so its absence tells only of an import that was taken back.
    fn may_still_ask(&self, grant: &Grant) -> bool {
        let place = self.me().place;
        let began = |racer: &Racer| {
            let asks = racer.refreshes() && !racer.late || racer.has_sent() && !racer.kind.exchanges();
            racer.place == place && asks && racer.id != self.me().id
        };
        let taken_back = grant.imported && !grant.is_decided();
        grant.asking.is_running() || !taken_back && self.state.racers.iter().any(began)
    }

    fn after_grant(&self) -> Deletion {
        let Instance { imported, revokes, .. } = self.me().instance;
        let unmarks = imported && !revokes && !self.breaks(Mutant::MarkerRemovedLast);
        if unmarks { Deletion::RemoveMarker } else { Deletion::RemoveInstance }
    }

    fn remove_marker(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let mutant = self.breaks(Mutant::MarkerRemovedLast);
        let next = if mutant { Phase::End } else { Phase::Delete(Deletion::RemoveInstance) };
        let marker = self.state.world.marker;
        if marker == Marker::default() || marker.place != self.me().place {
            return self.refused(next);
        }
        self.unmark()?;
        self.applied(next)
    }

    /// Removes the marker: from now on the token may be imported again.
    pub(crate) fn unmark(&mut self) -> Made {
        self.saw(Sight::Unmarked);
        let (token, place) = (Token::first(IMPORTED), self.me().place);
        let behind = |racer: &Racer| self.state.world.vendor.behind(racer.token) == token.label();
        if self.state.racers.iter().any(|racer| racer.has_sent() && behind(racer)) {
            return self.fail_with(Flaw::UnmarkedTooSoon);
        }
        let world = &mut self.state.world;
        world.marker = Marker::default();
        world.sent &= !token.bit();
        if world.vendor.has_answered(token) {
            if world.deleted & (1 << place) == 0 && !world.is_excused(IMPORTED) {
                return self.fail_with(Flaw::ImportLost);
            }
            world.excuse(IMPORTED);
        }
        Some(())
    }

    fn remove_instance(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let instance = self.instance();
        let marked = instance.is_deleting() || self.breaks(Mutant::GrantEndedFirst) && instance.is_live();
        if !marked {
            return self.refused(Phase::End);
        }
        let last = self.breaks(Mutant::MarkerRemovedLast) && instance.imported && !instance.revokes;
        self.place().instance =
            Instance { state: InstanceState::Removed, revokes: instance.revokes, ..Instance::default() };
        self.applied(if last { Phase::Delete(Deletion::RemoveMarker) } else { Phase::End })
    }
}
