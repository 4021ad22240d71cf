//! The kinds of races.

use model::model::Model;
use model::racer::Kind;
use model::scenario::{Habit, Home, Reads, Scenario, Start};

/// Tokens in Secrets Manager, where they belong.
pub(crate) fn secret(racers: &[Kind], faults: u8) -> Scenario {
    Scenario { racers: racers.to_vec(), faults, ..Scenario::default() }
}

/// Tokens in the record, where they belong.
pub(crate) fn table(racers: &[Kind], faults: u8) -> Scenario {
    Scenario { start: Start::Table, home: Home::Table, ..secret(racers, faults) }
}

/// Tokens in Secrets Manager that belong in the record.
pub(crate) fn to_table(racers: &[Kind], faults: u8) -> Scenario {
    Scenario { home: Home::Table, ..secret(racers, faults) }
}

/// Tokens in the record that belong in Secrets Manager.
pub(crate) fn to_secret(racers: &[Kind], faults: u8) -> Scenario {
    Scenario { start: Start::Table, ..secret(racers, faults) }
}

/// No instance at the start.
pub(crate) fn nothing(racers: &[Kind], faults: u8) -> Scenario {
    Scenario { start: Start::Nothing, ..table(racers, faults) }
}

/// A vendor that ends older grants when it makes a new one.
pub(crate) fn ends_older(racers: &[Kind], faults: u8) -> Scenario {
    Scenario { ends_older: true, ..secret(racers, faults) }
}

/// A vendor with this habit.
pub(crate) fn vendor(habit: Habit, scenario: Scenario) -> Scenario {
    Scenario { habit, ..scenario }
}

/// A refresh that reads its two items one after the other.
pub(crate) fn reads(reads: Reads, scenario: Scenario) -> Scenario {
    Scenario { reads, ..scenario }
}

/// A vendor that refuses the first settings.
pub(crate) fn wrong_settings(scenario: Scenario) -> Scenario {
    Scenario { wrong_settings: true, habit: Habit::Lenient, ..scenario }
}

/// The protocol as it is, in a race.
pub(crate) fn model(name: &'static str, scenario: Scenario) -> (&'static str, Model) {
    (name, Model::new(scenario))
}
