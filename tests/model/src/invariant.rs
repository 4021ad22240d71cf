//! What must hold in every state, and from one to the next.

use stateright::Model as _;

use crate::flaw::Flaw;
use crate::item::{GrantState, InstanceState};
use crate::model::{Model, State};
use crate::phase::{Deletion, Move, Phase, Sweeping};
use crate::racer::Racer;
use crate::world::World;

impl Model {
    /// Checks what must hold from one moment to the next.
    pub(crate) fn judge(before: &World, after: &World) -> Option<Flaw> {
        let places = before.places.iter().zip(&after.places);
        for (before, after) in places {
            let (was, is) = (&before.grant, &after.grant);
            let live = after.instance.state == InstanceState::Live;
            let deleted = matches!(before.instance.state, InstanceState::Deleting | InstanceState::Removed);
            if deleted && live {
                return Some(Flaw::InstanceBack);
            }
            if was.state == GrantState::Ending && is.is_live() {
                return Some(Flaw::GrantBack);
            }
            if live && !is.is_live() {
                return Some(Flaw::NoGrant);
            }
            if is.is_live() && was.is_live() && is.token < was.token {
                return Some(Flaw::WentBack);
            }
            if is.is_live() && !after.has_tokens() {
                return Some(Flaw::NotFound);
            }
        }
        let shown = after.places.iter().find(|place| place.instance.is_live());
        let lost = shown.is_some_and(|place| after.acknowledged & !place.instance.settings != 0);
        (lost && after.deleted == 0).then_some(Flaw::SettingsLost)
    }

    /// Tells whether those who have not ended wait for each other.
    pub(crate) fn is_stuck(&self, state: &State) -> bool {
        let waits = |racer: &Racer| match racer.phase {
            Phase::Delete(Deletion::Secret | Deletion::RemoveGrant)
            | Phase::Move(Move::DeleteSecret)
            | Phase::Sweep(Sweeping::Decide) => true,
            phase => phase == Phase::End && !racer.has_sent(),
        };
        if state.flaw.is_some() || state.is_over() || !state.racers.iter().all(waits) {
            return false;
        }
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().all(|action| self.next_state(state, action).is_none())
    }
}
