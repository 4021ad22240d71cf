//! The protocol holds in every order of events, and each way to break it is refuted.

#![expect(clippy::print_stdout, reason = "the figures belong to the result")]

mod good;
mod large;
mod mutants;
mod races;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use model::flaw::PROPERTIES;
use model::model::{Action, Model, State};
use model::mutant::Mutant;
use model::sight::{Sight, Sights};
use stateright::{Checker, HasDiscoveries, Model as _, Path};

/// How many threads a check uses.
const THREADS: usize = 2;

/// A path to a flaw, and the property that it breaks.
type Found = (&'static str, Path<State, Action>);

/// Checks a model until one of these properties is refuted, and returns the path to one.
fn refuted(name: &str, model: Model, sought: &[&'static str]) -> Option<Found> {
    let (racers, faults) = (&model.scenario.racers, model.scenario.faults);
    let mutant = model.mutant.map_or_else(String::new, |mutant| format!(", {mutant:?}"));
    let title = format!("{name} {racers:?}, {faults} faults{mutant}");
    let any = sought.iter().copied().collect::<BTreeSet<_>>();
    #[expect(clippy::disallowed_methods, reason = "a check tells how long it took")]
    let begun = SystemTime::now();
    let checker = model.checker().threads(THREADS).finish_when(HasDiscoveries::AnyOf(any)).spawn_bfs().join();
    let seconds = begun.elapsed().map_or(0.0, |time| time.as_secs_f64());
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{states:>9} states, depth {depth}, {seconds:.1} s: {title}");
    checker.discoveries().into_iter().find(|(property, _)| sought.contains(property))
}

/// Checks models to their end: nothing happens that must not. Returns what was seen.
fn hold(models: Vec<(&str, Model)>) -> Arc<Sights> {
    let all = PROPERTIES.map(|(_, name)| name);
    let sights = Arc::new(Sights::default());
    for (name, model) in models {
        let model = Model { sights: sights.clone(), ..model };
        if let Some((property, path)) = refuted(name, model, &all) {
            let flaw = path.last_state().flaw;
            println!("{:?}", path.last_state().world);
            panic!("{property}: {flaw:?}: {:?}", path.into_actions());
        }
    }
    sights
}

fn must_have_seen(sights: &Sights, all: &[Sight]) {
    for sight in all {
        println!("{:>9} {sight:?}", sights.count(*sight));
    }
    let missed = all.iter().filter(|sight| sights.count(**sight) == 0);
    assert_eq!(missed.collect::<Vec<_>>(), Vec::<&Sight>::new());
}

#[test]
fn races_lose_nothing() {
    must_have_seen(&hold(good::races()), &good::SEEN);
}

#[test]
#[ignore = "takes minutes"]
fn large_races_hold_too() {
    hold(large::races());
}

#[test]
fn each_way_to_break_the_protocol_is_tried() {
    let tried = mutants::refuted().into_iter().filter_map(|(_, model)| model.mutant);
    let tried = tried.chain(Mutant::NOT_REFUTED).collect::<HashSet<_>>();
    assert_eq!(tried.len(), Mutant::COUNT);
}

#[test]
fn each_way_to_break_the_protocol_is_refuted() {
    let named = |number| PROPERTIES.iter().find(|(property, _)| *property == number).map(|(_, name)| *name);
    let stands = mutants::refuted().into_iter().filter_map(|(number, model)| {
        let (mutant, property) = (model.mutant, named(number)?);
        refuted(property, model, &[property]).is_none().then_some((mutant, property))
    });
    assert_eq!(stands.collect::<Vec<_>>(), Vec::new());
}
