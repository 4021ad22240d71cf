//! What must come at last: everybody has ended, no more faults happen, and others come one by one.
//!
//! `eventually` of the checker passes over runs that join others. So each end is looked at here: sweeps,
//! refreshes and moves run alone, and then the grant works, rests where it belongs, and nothing is left.

use crate::flaw::Flaw;
use crate::item::{InstanceState, Since};
use crate::model::{Action, Fate, Model, State};
use crate::mutant::Mutant;
use crate::racer::{Kind, Racer};
use crate::scenario::{Home, Start};
use crate::secret::Secret;
use crate::vendor::IMPORTED;
use crate::world::{Id, LAST_FAMILY, PLACES, Place, RACERS, Token, World};

/// How often others come.
const ROUNDS: u8 = 5;

/// How many steps one that runs alone makes at most.
const STEPS: u8 = 60;

/// A flaw ends the look.
type Look = Result<(), Flaw>;

/// What comes after an end.
struct Aftermath<'a> {
    model: &'a Model,
    before: World,
    state: State,
    next: Id,
}

impl Model {
    /// Looks at what comes after an end. There is no next state unless that is a flaw.
    pub(crate) fn afterwards(&self, state: &mut State) -> Option<()> {
        let racers = state.racers.map(|racer| Racer::ended(racer.kind, racer.id));
        let quiet = State { racers, faults: 0, ..*state };
        let next = u8::try_from(RACERS).ok()? + 1;
        state.flaw = Some(Aftermath { model: self, before: state.world, state: quiet, next }.look().err()?);
        Some(())
    }
}

impl Aftermath<'_> {
    fn look(mut self) -> Look {
        self.owner_sends_settings_again()?;
        for round in 0..ROUNDS {
            self.round(round)?;
        }
        let places = self.state.world.places;
        for (place, before) in places.iter().zip(self.before.places) {
            match place.instance.state {
                InstanceState::Live => self.must_work(place)?,
                InstanceState::Absent | InstanceState::Removed => self.must_be_gone(place, &before)?,
                InstanceState::Pending | InstanceState::Deleting => return Err(Flaw::Unfinished),
            }
        }
        self.must_be_revoked()?;
        self.must_be_repeatable()
    }

    fn shown(&mut self) -> Option<&mut Place> {
        self.state.world.places.iter_mut().find(|place| place.instance.is_live())
    }

    /// Tokens of a new client and old settings: the owner sends the settings again.
    fn owner_sends_settings_again(&mut self) -> Look {
        let Some(place) = self.shown().filter(|place| place.instance.client != place.grant.client) else {
            return Ok(());
        };
        if place.instance.client == 1 {
            return Err(Flaw::SettingsAhead);
        }
        place.instance.client = place.grant.client;
        place.instance.settings |= 1 << 6;
        place.grant.due = 1;
        Ok(())
    }

    fn round(&mut self, round: u8) -> Look {
        self.time_passes();
        for _ in 0..PLACES {
            if self.state.world.places.iter().any(Place::needs_sweep) {
                self.run(Kind::Sweep)?;
            }
        }
        let Some(place) = self.shown() else { return Ok(()) };
        let grant = place.grant;
        if grant.due != 0 || round == ROUNDS - 1 && grant.token.number < 5 {
            self.run(Kind::Refresh)?;
        }
        if self.shown().is_some_and(|place| place.grant.secret.leaving) {
            self.run(Kind::Unsettle)?;
        }
        let home = self.model.scenario.home;
        self.run(if home == Home::Secret { Kind::Settle } else { Kind::Unsettle })?;
        if round < ROUNDS - 1 {
            self.must_be_due()?;
        }
        if round == ROUNDS - 2 { self.must_agree() } else { Ok(()) }
    }

    /// Tokens that the vendor has not refused with the present settings are due at some time.
    fn must_be_due(&mut self) -> Look {
        let hinted = !self.before.unhinted;
        let Some(Place { instance, grant, .. }) = self.shown().copied() else { return Ok(()) };
        let never = grant.due == 0 && grant.refused <= instance.number();
        if never && hinted { Err(Flaw::NeverDue) } else { Ok(()) }
    }

    fn time_passes(&mut self) {
        let sliding = self.model.breaks(Mutant::SlidingClamp);
        for place in &mut self.state.world.places {
            place.instance.slot.since = Since::Ended;
            let asking = &mut place.grant.asking;
            if asking.is_taken() && !(sliding && asking.since == Since::Wild) {
                asking.since = Since::Ended;
            }
        }
    }

    /// The copy agrees by the sweep alone.
    fn must_agree(&mut self) -> Look {
        let Some(Place { instance, grant, .. }) = self.shown().copied() else { return Ok(()) };
        let (copy, summary) = (instance.copy, grant.summary());
        let validity = (copy.refused != 0) == (grant.refused != 0);
        let agrees = validity && (grant.refused == 0 || copy == summary);
        if agrees { Ok(()) } else { Err(Flaw::CopyDisagrees) }
    }

    fn must_work(&mut self, place: &Place) -> Look {
        let grant = place.grant;
        if grant.asking.is_taken() {
            return Err(Flaw::Locked);
        }
        let vendor = self.state.world.vendor;
        let family = grant.token.family;
        let mut newer = family + 1..=LAST_FAMILY;
        if newer.any(|newer| vendor.has_made(newer) && !self.before.is_excused(newer)) {
            return Err(Flaw::ConsentLost);
        }
        if vendor.accepts(grant.token) && grant.refused == 0 {
            return self.must_rest_at_home(place);
        }
        let scenario = &self.model.scenario;
        let wrong = scenario.wrong_settings && place.instance.settings == 0;
        if !self.before.is_excused(family) && !self.came_to_nobody(grant.token) && !wrong {
            return Err(if scenario.has_grace() { Flaw::NewestLost } else { Flaw::GrantLost });
        }
        self.must_be_helped(place)
    }

    /// Tells whether a grace vendor has given a newer pair to nobody.
    fn came_to_nobody(&self, token: Token) -> bool {
        let vendor = &self.state.world.vendor;
        let behind = vendor.behind(token);
        let lost = self.before.lost & vendor.pairs(token.family);
        self.model.scenario.has_grace() && lost >> behind != 0
    }

    fn must_rest_at_home(&self, place: &Place) -> Look {
        let (grant, home) = (place.grant, self.model.scenario.home);
        let settled = !grant.sealed && grant.secret.name != 0;
        let moved = grant.sealed && grant.secret.name == 0;
        if !(if home == Home::Secret { settled } else { moved }) {
            return Err(Flaw::NotMoved);
        }
        let names = place.secrets.iter().enumerate();
        let mut others = names.filter(|(name, _)| *name != usize::from(grant.secret.name));
        let left = others.any(|(_, secret)| secret.is_there());
        if left { Err(Flaw::SecretLeftOver) } else { Ok(()) }
    }

    /// A new consent makes a grant work that does not.
    fn must_be_helped(&mut self, place: &Place) -> Look {
        let consents = place.instance.consents;
        if consents >= LAST_FAMILY {
            return Ok(());
        }
        self.run(if place.instance.client == 1 { Kind::NewClient } else { Kind::Consent })?;
        let helped = self.shown().is_some_and(|place| {
            let grant = place.grant;
            grant.refused == 0 && grant.token.family == consents + 1 && place.instance.copy.refused == 0
        });
        if helped { Ok(()) } else { Err(Flaw::ConsentInVain) }
    }

    fn must_be_gone(&self, place: &Place, before: &Place) -> Look {
        let scenario = &self.model.scenario;
        let deletes = scenario.has(Kind::Delete) || scenario.has(Kind::DeleteWithoutRevoking);
        let kept = before.grant.is_live() && before.instance.is_pending();
        if scenario.start == Start::Nothing && kept && !deletes {
            return Err(Flaw::CreationLost);
        }
        if !place.grant.is_gone() {
            return Err(Flaw::Orphan);
        }
        if place.secrets.iter().any(Secret::is_there) {
            return Err(Flaw::SecretLeft);
        }
        Ok(())
    }

    /// A deletion revokes. The families before the last one are not known any more; nor is an import's.
    fn must_be_revoked(&mut self) -> Look {
        let scenario = &self.model.scenario;
        let told = scenario.has_grace() && self.state.world.lost != 0;
        if self.shown().is_some() || told || scenario.imports() {
            return Ok(());
        }
        let world = &self.state.world;
        let lives = (world.places[0].grant.token.family..=LAST_FAMILY)
            .any(|family| world.vendor.has_living(family) && !world.is_excused(family));
        if lives { Err(Flaw::LivingGrantLeft) } else { Ok(()) }
    }

    /// An import that left no instance can be repeated: not one whose maker died between marker and instance,
    /// and not one that was revoked.
    fn must_be_repeatable(&mut self) -> Look {
        if !self.model.scenario.imports() || self.shown().is_some() {
            return Ok(());
        }
        let world = self.state.world;
        if world.marker.owner != 0 {
            let instance = world.places[usize::from(world.marker.place)].instance;
            let told = instance.state == InstanceState::Absent || instance.revokes;
            return if told { Ok(()) } else { Err(Flaw::Barred) };
        }
        if world.is_excused(IMPORTED) || world.vendor.has_made(IMPORTED + 1) {
            return Ok(());
        }
        self.run(Kind::Import)?;
        let vendor = self.state.world.vendor;
        let wrong = self.model.scenario.wrong_settings;
        let works = |place: &mut Place| {
            let grant = place.grant;
            wrong || grant.token.number > 0 && vendor.accepts(grant.token)
        };
        if self.shown().is_some_and(works) { Ok(()) } else { Err(Flaw::ImportLost) }
    }

    /// Lets one racer run alone.
    fn run(&mut self, kind: Kind) -> Look {
        self.state.racers[0] = Racer::new(kind, self.next);
        self.next += 1;
        for _ in 0..STEPS {
            let racer = &self.state.racers[0];
            let action = match (racer.has_sent(), racer.waits()) {
                (true, _) => Action::Arrive(0),
                (false, true) => Action::Deliver(0),
                (false, false) => Action::Step(0, Fate::Well),
            };
            if !racer.is_active() {
                return Ok(());
            }
            let before = self.state.world;
            self.model.act(&mut self.state, action).ok_or(Flaw::Stuck)?;
            let flaw = self.state.flaw.or_else(|| Model::judge(&before, &self.state.world));
            flaw.map_or(Ok(()), Err)?;
        }
        Err(Flaw::Stuck)
    }
}
