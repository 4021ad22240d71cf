//! The protocol holds in every order of events, and each way to break it is found.

#![expect(clippy::print_stdout, reason = "the figures belong to the result")]

use std::collections::BTreeSet;

use model::racer::Kind::{self, Caller, Consent, Rekey, Removal, Sweep};
use model::world::{RACERS, Tick};
use model::{Break, Model};
use stateright::{Checker, Expectation, HasDiscoveries, Model as _, Property};

/// How long time passes: two leases can run out, and a third one be held.
const UNTIL: u8 = 6;

/// Whose clocks are ahead.
const FIRST: [Tick; RACERS] = [1, 0, 0, 0];
const SECOND: [Tick; RACERS] = [0, 1, 0, 0];
const OTHERS: [Tick; RACERS] = [0, 1, 1, 0];
const LAST: [Tick; RACERS] = [0, 0, 0, 1];

fn model(racers: &[Kind], ahead: [Tick; RACERS], faults: u8) -> Model {
    Model { racers: racers.to_vec(), ahead, faults, sleeps: true, until: UNTIL, broken: None }
}

/// Checks a model until one of these is refuted, and tells which of its properties do not hold.
fn refuted(model: Model, sought: &[&'static str]) -> Vec<&'static str> {
    let (title, properties) = (format!("{:?} {:?}", model.racers, model.broken), model.properties());
    let sought = sought.iter().copied().collect::<BTreeSet<_>>();
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyOf(sought)).spawn_bfs().join();
    let (states, unique, depth) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    println!("states {states} unique {unique} depth {depth} properties {} · {title}", properties.len());
    let found = checker.discoveries();
    let fails = |property: &&Property<Model>| {
        found.contains_key(property.name) == (property.expectation == Expectation::Always)
    };
    properties.iter().filter(fails).map(|property| property.name).collect()
}

/// Checks a model to its end: nothing happens that must not.
fn holds(model: Model) -> Vec<&'static str> {
    let always = |property: &Property<Model>| property.expectation == Expectation::Always;
    let all = model.properties().into_iter().filter(always).map(|property| property.name);
    let all: Vec<_> = all.collect();
    let failed = refuted(model, &all);
    assert_eq!(failed.iter().find(|name| all.contains(name)), None);
    failed
}

#[test]
fn a_caller_a_sweep_and_a_new_consent_with_two_faults_lose_nothing_and_see_everything() {
    assert!(holds(model(&[Caller, Sweep, Consent], SECOND, 2)).is_empty());
}

#[test]
fn no_other_racers_lose_anything_either() {
    holds(model(&[Sweep, Sweep, Sweep], FIRST, 1));
    holds(model(&[Sweep, Rekey, Consent], FIRST, 1));
    holds(model(&[Sweep, Removal, Consent], FIRST, 1));
    holds(model(&[Sweep, Sweep, Caller, Consent], LAST, 0));
}

#[test]
fn each_way_to_break_the_protocol_is_found() {
    const SENT_AGAIN: &str = "no refresh token is sent again by one who knows of no doubt";
    const DEAD: &str = "no refresh token is sent of a grant that is known to have ended";
    const TWICE: &str = "no refresh token is on its way to the vendor twice";
    const ONE: &str = "one racer at a time may ask the vendor";
    const STALE: &str = "no refusal is written down over a newer generation";
    const BACK: &str = "the generation never decreases";
    const LOST: &str = "no stored token that works is out of reach";
    const CAUSE: &str = "a grant ends only when an answer of the vendor was lost";
    const NOTHING: &str = "a deleted instance leaves no grant behind, unless its holder died";
    const NEXT: &str = "whoever comes afterwards gets a new token, or is refused for a cause";
    let refreshers = [Sweep, Sweep, Caller];
    let consenting = [Sweep, Consent, Sweep];
    let removing = [Sweep, Consent, Removal];
    for (broken, racers, until, faults, property) in [
        (Break::AsksWithoutLease, refreshers, 5, 0, ONE),
        (Break::AsksWithoutLease, refreshers, 5, 0, CAUSE),
        (Break::TakesOverTooSoon, refreshers, 5, 0, ONE),
        (Break::TakesOverBlindly, refreshers, 5, 0, NEXT),
        (Break::TakesOverWithoutDoubt, refreshers, 5, 0, SENT_AGAIN),
        (Break::ForgetsLaterDoubt, refreshers, 5, 0, SENT_AGAIN),
        (Break::KeepsTheFirstDoubt, refreshers, 6, 0, TWICE),
        (Break::EndsDoubtBySkewedClock, refreshers, 5, 0, TWICE),
        (Break::AsksOfTheDead, refreshers, 5, 1, DEAD),
        (Break::AbandonsPredecessors, refreshers, 5, 1, LOST),
        (Break::ReleasesAfterStore, refreshers, 5, 2, LOST),
        (Break::CommitsUnconditionally, refreshers, 5, 1, ONE),
        (Break::CommitsAtAnyGeneration, refreshers, 5, 1, BACK),
        (Break::CommitsOverPredecessors, refreshers, 5, 2, LOST),
        (Break::EndsUnconditionally, consenting, 6, 1, STALE),
        (Break::RemovesOnlyTheCurrent, removing, 5, 0, NOTHING),
        (Break::LeavesTheUnkept, removing, 5, 0, NOTHING),
        (Break::SleepsBeforeAsking, refreshers, 5, 1, TWICE),
    ] {
        let failed =
            refuted(Model { broken: Some(broken), until, ..model(&racers, OTHERS, faults) }, &[property]);
        assert!(failed.contains(&property), "{broken:?}");
    }
}
