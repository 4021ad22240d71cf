//! What must hold at every moment, and what must be seen.

use stateright::Property;

use crate::racer::{Base, Kind, Phase, Racer};
use crate::world::{DOUBT_ENDS, FIRST, Id, LIFE, Life, SKEW, Version};
use crate::{Action, Fate, Model, State};

/// Who come afterwards.
const LAST: [Id; 2] = [5, 6];

impl State {
    fn at_work(&self) -> impl Iterator<Item = &Racer> {
        self.racers.iter().filter(|racer| racer.is_at_work())
    }

    /// Tells whether a stored version that works is one that nobody would find any more. What a process
    /// stores that woke up after it had been forgotten, only that process can name.
    fn is_out_of_reach(&self, id: Id, version: Version) -> bool {
        let record = &self.world.record;
        let owner_lives = || self.at_work().any(|racer| racer.id == id);
        let later =
            version.token.family == record.issued.family && version.token.number > record.issued.number;
        (version.generation > record.generation || later)
            && self.world.is_good(version.token)
            && !version.late
            && !record.names(id)
            && !owner_lives()
    }

    fn keeps_all_tokens(&self) -> bool {
        let stored = self.world.vault.iter().flatten().zip(FIRST..);
        self.world.record.life != Life::Live
            || !stored
                .filter_map(|(version, id)| Some((id, (*version)?)))
                .any(|(id, version)| self.is_out_of_reach(id, version))
    }

    fn has_one_asker(&self) -> bool {
        self.racers.iter().filter(|racer| racer.may_ask()).count() <= 1
    }

    fn has_each_token_sent_once(&self) -> bool {
        let mut sent = 0;
        self.racers.iter().filter_map(|racer| racer.request).all(|request| {
            let first = sent & request.token.bit() == 0;
            sent |= request.token.bit();
            first
        })
    }

    fn ends_with_cause(&self) -> bool {
        let record = &self.world.record;
        !record.dead || self.world.families[usize::from(record.issued.family)].lost
    }

    fn leaves_nothing(&self) -> bool {
        let last = self.world.families.iter().rfind(|family| family.made);
        self.world.record.life != Life::Gone
            || self.at_work().next().is_some()
            || last.is_none_or(|family| !family.alive || family.lost)
    }
}

impl Model {
    /// Lets everything die, and then one more racer run alone.
    fn afterwards(&self, state: &State, kind: Kind, id: Id) -> Option<State> {
        let mut after = state.clone();
        for racer in &mut after.racers {
            racer.end(&mut after.world);
        }
        after.world.now += DOUBT_ENDS + SKEW + LIFE + 1;
        after.racers[0] = Racer::new(kind, id);
        while after.racers[0].phase != Phase::End {
            let arrives = after.racers[0].request.is_some();
            self.act(&mut after, if arrives { Action::Arrive(0) } else { Action::Step(0, Fate::Well) })?;
        }
        Some(after)
    }

    /// Tells whether everything could die here, and one who then comes gets a new token, or is refused one
    /// for a cause, and then one with a new consent gets it.
    fn recovers(&self, state: &State) -> bool {
        let [first, second] = LAST;
        let live = state.world.record.life == Life::Live;
        let renewed = |after: &State| {
            let record = after.world.record;
            let current = after.world.read(record.version, false);
            let works = current.is_some_and(|version| after.world.is_good(version.token));
            works && record.generation > state.world.record.generation && record.lease.is_none()
        };
        let asked = live.then(|| self.afterwards(state, Kind::Sweep, first)).flatten();
        let consents = |after: &State| {
            let consented = self.afterwards(after, Kind::Consent, second);
            after.ends_with_cause() && consented.is_some_and(|after| renewed(&after))
        };
        !live
            || asked
                .is_some_and(|after| if after.world.record.dead { consents(&after) } else { renewed(&after) })
    }
}

/// What must hold at every moment.
pub(crate) fn all() -> Vec<Property<Model>> {
    let mut properties = vec![
        Property::always(
            "no refresh token is sent again by one who knows of no doubt",
            |_, state: &State| !state.world.flaws.sent_again,
        ),
        Property::always("no refresh token is on its way to the vendor twice", |_, state: &State| {
            state.has_each_token_sent_once()
        }),
        Property::always(
            "no refresh token is sent of a grant that is known to have ended",
            |_, state: &State| !state.world.flaws.sent_dead,
        ),
        Property::always("one racer at a time may ask the vendor", |_, state: &State| state.has_one_asker()),
        Property::always("no refusal is written down over a newer generation", |_, state: &State| {
            !state.world.flaws.stale_verdict
        }),
        Property::always("the generation never decreases", |_, state: &State| !state.world.flaws.back),
        Property::always("no stored token that works is out of reach", |_, state: &State| {
            state.keeps_all_tokens()
        }),
        Property::always("a grant ends only when an answer of the vendor was lost", |_, state: &State| {
            state.ends_with_cause()
        }),
        Property::always(
            "whoever comes afterwards gets a new token, or is refused for a cause",
            Model::recovers,
        ),
        Property::always(
            "a deleted instance leaves no grant behind, unless its holder died",
            |_, state: &State| state.leaves_nothing(),
        ),
    ];
    properties.extend(sights());
    properties
}

/// What must be seen, so that the rest is not true of nothing.
fn sights() -> [Property<Model>; 8] {
    [
        Property::sometimes("a refresh is named", |_, state: &State| state.world.record.issued.number > 0),
        Property::sometimes("what a dead holder has stored is found", |_, state: &State| {
            state.racers.iter().any(|racer| racer.base == Base::Tokens)
        }),
        Property::sometimes("a doubt is written down", |_, state: &State| {
            state.world.record.in_doubt.is_some()
        }),
        Property::sometimes("a doubt is ended by one further attempt", |_, state: &State| {
            state.racers.iter().any(|racer| racer.phase == Phase::Wait && racer.instance.in_doubt.is_some())
        }),
        Property::sometimes("a grant has ended", |_, state: &State| state.world.record.dead),
        Property::sometimes("a write is recognised whose reply was lost", |_, state: &State| {
            state
                .racers
                .iter()
                .any(|racer| racer.phase == Phase::Commit && state.world.record.version == racer.id)
        }),
        Property::sometimes("one who woke up late names its version", |_, state: &State| {
            state.racers.iter().any(|racer| racer.phase == Phase::Commit && racer.unleased_at.is_some())
        }),
        Property::sometimes("a takeover is given back unfinished", |_, state: &State| {
            state.world.record.lease.is_none() && state.world.record.dead_owners().next().is_some()
        }),
    ]
}
