//! A model of how a refresh happens once, checked in every order of events.
//!
//! It is of `lease.rs`, `refresh.rs`, `reauthenticate.rs` and `delete.rs` in `shared/broker/src/grant`: up to four racers
//! ([`racer`]), who share one instance's record, its vault and a vendor that rotates ([`world`]). A racer
//! takes the lease, looks for what dead holders have stored, asks the vendor, stores a version and names it,
//! each as one step between which anything may happen.
//!
//! What may happen: time passes, and a request that has run too long is ended by the platform, as often as
//! it likes. For one fault each: a process dies; a write is made and its reply lost, so that it is made once
//! more; a store is out of reach; a read of the vault misses what has just been stored; the vendor's answer
//! is not waited for, while the request arrives now, later or never; the vendor fails; a process that has its
//! answer stands still, is taken for dead and wakes up. The clocks differ by as much as they may.
//!
//! What is left out: the back-off after a vendor's failure, the budget of versions and the counting of
//! edits, which only forbid steps that are made here; a connection that was refused, which is as if nothing
//! had been sent; and the difference between seconds and ticks. A removal reads what is there. What a process
//! stores after its lease has ended may be lost: whoever took the lease over has looked before. And a process
//! does not stand still between the moment when it looks at its time and the moment when it asks the vendor:
//! nothing here could hold it back, and [`Break::SleepsBeforeAsking`] shows what would come of it.
//!
//! Why stateright and not a state machine of proptest: what goes wrong here needs two deaths and a clock at
//! the right moments. Random runs may meet that, a search of all runs must, and it says when it has seen
//! them all. Its `eventually` is not used, since it passes over runs that join others: what must come at
//! last is asked in every state, by letting one more racer run alone.

mod properties;
pub mod racer;
mod step;
pub mod world;

use racer::{Kind, Phase, Racer, Word};
use stateright::{Model as Checked, Property};
use step::Step;
use world::{Id, Life, RACERS, Tick, World};

/// One way to break the protocol. The check must find each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Who does not get the lease goes on without it.
    AsksWithoutLease,
    /// A lease is taken over without looking for what was stored under it.
    TakesOverBlindly,
    /// A lease is taken over as soon as it has run out by one's own clock.
    TakesOverTooSoon,
    /// That a dead holder may have asked the vendor is not written down.
    TakesOverWithoutDoubt,
    /// A takeover keeps the doubt that is there, although the dead holder may have asked later.
    KeepsTheFirstDoubt,
    /// A predecessor's tokens end all doubt, also that about a holder who came after it.
    ForgetsLaterDoubt,
    /// A doubtful request is taken to have ended without regard to who wrote down its time.
    EndsDoubtBySkewedClock,
    /// A lease that cannot be used is given back with its predecessors forgotten.
    AbandonsPredecessors,
    /// A version is named whoever has the lease.
    CommitsUnconditionally,
    /// A version is named, when nobody has the lease, whatever was named meanwhile.
    CommitsAtAnyGeneration,
    /// A version is named late, when nobody has the lease, although a takeover was not finished: what other
    /// predecessors have stored is forgotten.
    CommitsOverPredecessors,
    /// A refusal is written down whoever has the lease.
    EndsUnconditionally,
    /// Who has got the lease asks the vendor, although the grant is known to have ended.
    AsksOfTheDead,
    /// The lease is given back although the version may be stored.
    ReleasesAfterStore,
    /// A deletion revokes what the record names, and not what a holder has stored since.
    RemovesOnlyTheCurrent,
    /// A holder does not revoke a new grant of an instance that was deleted meanwhile.
    LeavesTheUnkept,
    /// A holder may stand still before it asks the vendor. No code could mend that.
    SleepsBeforeAsking,
}

/// How a racer's step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// As it should.
    Well,
    /// A write is made, and its reply lost.
    ReplyLost,
    /// A store cannot be reached.
    Unavailable,
    /// A read of the vault misses what was stored within this tick.
    Stale,
}

/// What may happen; a racer is told by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A tick passes.
    Pass,
    /// A racer makes its next step.
    Step(usize, Fate),
    /// A racer's request arrives at the vendor, who acts on it.
    Arrive(usize),
    /// The vendor answers a racer that it has failed.
    Fail(usize),
    /// A racer waits no longer for the vendor.
    GiveUp(usize),
    /// A racer dies.
    Die(usize),
    /// A racer stands still.
    Sleep(usize),
    /// A racer goes on.
    Wake(usize),
}

/// What is checked: who races, with which clocks, how much may go wrong, and for how long.
#[derive(Clone, Debug)]
pub struct Model {
    /// Who races.
    pub racers: Vec<Kind>,
    /// How far ahead each racer's clock is, at most [`world::SKEW`].
    pub ahead: [Tick; RACERS],
    /// How many faults may happen.
    pub faults: u8,
    /// Whether a process that has the vendor's answer may stand still.
    pub sleeps: bool,
    /// When no more time passes.
    pub until: Tick,
    /// How the protocol is broken.
    pub broken: Option<Break>,
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the racers share.
    pub world: World,
    /// The racers.
    pub racers: [Racer; RACERS],
}

impl Model {
    /// How far ahead a racer's clock is; that of the one who comes afterwards is not.
    pub fn ahead(&self, id: Id) -> Tick {
        self.ahead.get(usize::from(id) - 1).copied().unwrap_or_default()
    }

    fn step(&self, state: &mut State, who: usize, fate: Fate) -> Option<()> {
        let State { world, racers } = state;
        Step { model: self, world, racer: &mut racers[who], fate }.make()
    }

    fn may_sleep(&self, racer: &Racer) -> bool {
        match racer.phase {
            Phase::Store | Phase::Commit | Phase::Close(Word::Dead) => self.sleeps,
            Phase::Ask => self.broken == Some(Break::SleepsBeforeAsking),
            _ => false,
        }
    }

    fn faults_of(&self, state: &State, who: usize, actions: &mut Vec<Action>) {
        let (world, racer) = (&state.world, &state.racers[who]);
        let holds = world.record.owner() == Some(racer.id);
        let matters = match racer.phase {
            Phase::Read | Phase::Idle | Phase::End => false,
            Phase::Take | Phase::Mark => holds,
            _ => true,
        };
        if matters {
            actions.push(Action::Die(who));
        }
        let fates: &[Fate] = match racer.phase {
            Phase::Take | Phase::Store => &[Fate::ReplyLost, Fate::Unavailable],
            Phase::Commit | Phase::Mark => &[Fate::ReplyLost],
            Phase::Roll | Phase::Ask if world.may_be_stale() => &[Fate::Stale, Fate::Unavailable],
            Phase::Roll | Phase::Ask => &[Fate::Unavailable],
            _ => &[],
        };
        actions.extend(fates.iter().map(|fate| Action::Step(who, *fate)));
        if racer.phase == Phase::Wait {
            actions.push(Action::GiveUp(who));
            if racer.request.is_some() {
                actions.push(Action::Fail(who));
            }
        }
        if self.may_sleep(racer) {
            actions.push(Action::Sleep(who));
        }
    }

    fn act(&self, state: &mut State, action: Action) -> Option<()> {
        let State { world, racers } = state;
        match action {
            Action::Pass => {
                world.now += 1;
                for version in world.vault.iter_mut().flatten().flatten() {
                    version.fresh = false;
                }
                for racer in racers {
                    racer.pass(world);
                }
            }
            Action::Step(who, fate) => {
                world.faults -= u8::from(fate != Fate::Well);
                return self.step(state, who, fate);
            }
            Action::Arrive(who) => {
                return Step { model: self, world, racer: &mut racers[who], fate: Fate::Well }.arrive();
            }
            Action::Fail(who) => {
                world.faults -= 1;
                return Step { model: self, world, racer: &mut racers[who], fate: Fate::Well }.fail();
            }
            Action::GiveUp(who) => {
                world.faults -= 1;
                racers[who].phase = Phase::Close(Word::Doubt);
            }
            Action::Die(who) => {
                world.faults -= 1;
                racers[who].end(world);
            }
            Action::Sleep(who) => {
                world.faults -= 1;
                let racer = &mut racers[who];
                racer.asleep = true;
                if let Some(grant) = racer.grant.filter(|_| !racer.has_kept(world)) {
                    world.family(grant.token).lost = true;
                }
            }
            Action::Wake(who) => racers[who].asleep = false,
        }
        Some(())
    }
}

impl Checked for Model {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut racers = [1, 2, 3, 4].map(|id| Racer { phase: Phase::End, ..Racer::new(Kind::Caller, id) });
        for (racer, kind) in racers.iter_mut().zip(&self.racers) {
            *racer = Racer::new(*kind, racer.id);
        }
        vec![State { world: World::new(self.faults), racers }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.world.now < self.until {
            actions.push(Action::Pass);
        }
        for (who, racer) in state.racers.iter().enumerate() {
            if racer.request.is_some() {
                actions.push(Action::Arrive(who));
            }
            if racer.asleep {
                actions.push(Action::Wake(who));
            } else if racer.phase != Phase::End {
                actions.push(Action::Step(who, Fate::Well));
                if state.world.faults > 0 {
                    self.faults_of(state, who, actions);
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.act(&mut next, action)?;
        let lives = next.world.record.life == Life::Live;
        next.world.flaws.back |= lives && next.world.record.generation < state.world.record.generation;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
