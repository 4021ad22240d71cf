//! What the passing of time does: an `asking`, a slot or a maker's time ends.

use crate::item::Since;
use crate::model::{Model, State};
use crate::mutant::Mutant;
use crate::phase::Phase;
use crate::racer::{Kind, Racer};

impl Model {
    /// The holder's time, the skew and the longest request have passed. It may have stood still.
    pub(crate) fn end_asking(&self, state: &mut State, place: usize) -> Option<()> {
        let grant = state.world.places[place].grant;
        let asking = grant.asking;
        let sliding = self.breaks(Mutant::SlidingClamp) && asking.since == Since::Wild;
        if !asking.is_running() || grant.is_gone() || sliding {
            return None;
        }
        let holder = state.racers.iter_mut().find(|racer| racer.id == asking.owner)?;
        if holder.has_sent() {
            return None;
        }
        if holder.refreshes() {
            state.faults = state.faults.checked_sub(1)?;
            holder.late = true;
        }
        state.world.places[place].grant.asking.since = Since::Ended;
        Some(())
    }
}

impl Racer {
    /// Stands still until its time is up, if that is a time of its own.
    pub(crate) fn stall(&mut self) -> Option<()> {
        if self.phase == Phase::Start {
            return None;
        }
        let up = match self.kind {
            Kind::Settle => &mut self.late,
            Kind::Create | Kind::Import => &mut self.overdue,
            _ => return None,
        };
        (!std::mem::replace(up, true)).then_some(())
    }
}

impl State {
    /// The slot's time, the skew and the longest request have passed. Its owner may have stood still.
    pub(crate) fn end_slot(&mut self, place: usize) -> Option<()> {
        let here = &mut self.world.places[place];
        let instance = &mut here.instance;
        if !instance.is_live() || !instance.slot.is_running() || instance.consents <= here.grant.token.family
        {
            return None;
        }
        let owner = self.racers.iter_mut().find(|racer| racer.id == instance.slot.owner)?;
        if owner.has_sent() {
            return None;
        }
        if owner.kind.exchanges() && owner.is_active() && owner.phase != Phase::Start {
            self.faults = self.faults.checked_sub(1)?;
            owner.late = true;
        }
        instance.slot.since = Since::Ended;
        Some(())
    }
}
