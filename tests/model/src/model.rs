//! The model as the checker sees it: states, and what may happen in each.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use stateright::{Model as Checked, Property};

use crate::flaw::{self, Flaw};
use crate::mutant::Mutant;
use crate::phase::Phase;
use crate::racer::{Kind, Racer, Request};
use crate::scenario::Scenario;
use crate::sight::{Sight, Sights};
use crate::step::Step;
use crate::world::{PLACES, RACERS, World};

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// As it should.
    Well,
    /// A write is made and its reply lost, so that it is made once more.
    ReplyLost,
    /// A store is out of reach.
    Denied,
}

/// What may happen; racers are told by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A racer makes its next step.
    Step(usize, Fate),
    /// A racer dies.
    Die(usize),
    /// A racer's request arrives at the vendor, who acts on it.
    Arrive(usize),
    /// A request of one who does not wait any more never arrives.
    NeverArrive(usize),
    /// The vendor's answer reaches the racer.
    Deliver(usize),
    /// The vendor's answer is lost.
    LoseAnswer(usize),
    /// A racer waits no longer, although its request may still arrive.
    StopWaiting(usize),
    /// The racer learns that the vendor has certainly not acted.
    Fail(usize),
    /// A settle or a maker stands still until its time is up.
    Stall(usize),
    /// Lease and skew have passed since the `asking` of an instance was written.
    AskingEnds(usize),
    /// Lease and skew have passed since the slot of an instance was written.
    SlotEnds(usize),
    /// Everybody has ended, no more faults happen, and others come one by one.
    Afterwards,
}

/// What is checked, and how the protocol is broken.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Who races for what.
    pub scenario: Scenario,
    /// How the protocol is broken.
    pub mutant: Option<Mutant>,
    /// What was seen.
    pub sights: Arc<Sights>,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What the racers share.
    pub world: World,
    /// The racers.
    pub racers: [Racer; RACERS],
    /// How many faults may still happen.
    pub faults: u8,
    /// What must not have happened.
    pub flaw: Option<Flaw>,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.world.hash(state);
        self.racers.iter().for_each(|racer| racer.hash(state));
        state.write_u8(self.faults);
        self.flaw.hash(state);
    }
}

impl Model {
    /// Makes the model of the protocol as it is.
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario, ..Self::default() }
    }

    /// Tells whether the protocol is broken in this way.
    pub fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Notes that something was seen.
    pub fn saw(&self, sight: Sight) {
        self.sights.note(sight);
    }

    /// Lets something happen, unless it cannot.
    pub(crate) fn act(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Step(who, fate) => {
                Step { model: self, state, who, fate }.make()?;
                state.faults -= u8::from(fate != Fate::Well);
            }
            Action::Arrive(who) => self.by(state, who).arrive(),
            Action::NeverArrive(who) => {
                state.racers[who].request = Request::None;
                state.racers[who].end();
            }
            Action::Deliver(who) => self.by(state, who).deliver()?,
            Action::Die(who) => self.by(state, who).die(),
            Action::LoseAnswer(who) => self.by(state, who).lose_answer()?,
            Action::StopWaiting(who) => self.by(state, who).stop_waiting()?,
            Action::Fail(who) => self.by(state, who).fail()?,
            Action::Stall(who) => state.racers[who].stall()?,
            Action::AskingEnds(place) => return self.end_asking(state, place),
            Action::SlotEnds(place) => return state.end_slot(place),
            Action::Afterwards => return self.afterwards(state),
        }
        if Self::is_fault(action) {
            state.faults -= 1;
        }
        Some(())
    }

    fn by<'a>(&'a self, state: &'a mut State, who: usize) -> Step<'a> {
        Step { model: self, state, who, fate: Fate::Well }
    }

    fn is_fault(action: Action) -> bool {
        matches!(
            action,
            Action::Die(_)
                | Action::LoseAnswer(_)
                | Action::StopWaiting(_)
                | Action::Fail(_)
                | Action::Stall(_)
        )
    }

    fn actions_of(state: &State, who: usize, actions: &mut Vec<Action>) {
        let racer = &state.racers[who];
        if racer.has_sent() {
            actions.push(Action::Arrive(who));
            if !racer.waits() {
                actions.push(Action::NeverArrive(who));
            }
        }
        if !racer.is_active() {
            return;
        }
        if racer.waits() {
            actions.push(Action::Deliver(who));
        } else {
            actions.push(Action::Step(who, Fate::Well));
        }
        if state.faults == 0 {
            return;
        }
        match (racer.waits(), racer.has_sent()) {
            (true, true) => actions.extend([Action::StopWaiting(who), Action::Fail(who)]),
            (true, false) => actions.push(Action::LoseAnswer(who)),
            (false, _) => {
                actions.extend([Action::Step(who, Fate::ReplyLost), Action::Step(who, Fate::Denied)]);
                actions.push(Action::Stall(who));
            }
        }
        if racer.phase != Phase::Start {
            actions.push(Action::Die(who));
        }
    }
}

impl State {
    /// Tells whether everybody has ended.
    pub fn is_over(&self) -> bool {
        !self.racers.iter().any(Racer::is_active)
    }
}

impl Checked for Model {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut racers = [1, 2, 3, 4].map(|id| Racer::ended(Kind::Refresh, id));
        for (racer, kind) in racers.iter_mut().zip(&self.scenario.racers) {
            *racer = Racer::new(*kind, racer.id);
        }
        vec![State { world: World::new(self), racers, faults: self.scenario.faults, flaw: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.flaw.is_some() {
            return;
        }
        (0..RACERS).for_each(|who| Self::actions_of(state, who, actions));
        for place in 0..PLACES {
            let here = &state.world.places[place];
            if here.grant.asking.is_running() {
                actions.push(Action::AskingEnds(place));
            }
            if here.instance.slot.is_running() {
                actions.push(Action::SlotEnds(place));
            }
        }
        if state.is_over() {
            actions.push(Action::Afterwards);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        self.act(&mut next, action)?;
        if next == *state {
            return None;
        }
        next.flaw = next.flaw.or_else(|| Self::judge(&state.world, &next.world));
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        flaw::properties()
    }
}
