//! The ways to break the protocol, each with a race in which the check refutes it.

use model::model::Model;
use model::mutant::Mutant;
use model::racer::Kind::{
    self, BareConsent, ChangeSettings, Consent, Create, Delete, DeleteWithoutRevoking, Import, NewClient,
    Refresh, SameCode, Settle, Sweep, Unsettle,
};
use model::scenario::{Habit, Home, Reads, Scenario};

use crate::races::{ends_older, nothing, reads, secret, table, to_secret, to_table, vendor, wrong_settings};

const TWO: [Kind; 2] = [Refresh, Refresh];
const THREE: [Kind; 3] = [Refresh, Refresh, Refresh];

/// A mutant, the number of the property that it breaks, and the race.
type Row = (Mutant, u8, Scenario);

/// Numbers, looks and commits of refreshes.
fn refreshes() -> Vec<Row> {
    let (all, newest, lenient) = (Habit::GraceAll, Habit::GraceNewest, Habit::Lenient);
    vec![
        (Mutant::NoLook, 1, secret(&TWO, 2)),
        (Mutant::NoLook, 10, vendor(newest, secret(&TWO, 3))),
        (Mutant::NoSecondLook, 1, vendor(lenient, secret(&THREE, 4))),
        (Mutant::LooksAtNextOnly, 10, vendor(newest, secret(&THREE, 4))),
        (Mutant::LooksAtLastOnly, 1, vendor(lenient, secret(&THREE, 4))),
        (Mutant::LooksAtLastOnly, 10, vendor(newest, secret(&THREE, 4))),
        (Mutant::LooksLowestFirst, 10, vendor(newest, secret(&THREE, 5))),
        (Mutant::NoReadAgain, 1, secret(&TWO, 2)),
        (Mutant::TakesTooSoon, 2, secret(&TWO, 2)),
        (Mutant::TakesAnyLast, 6, secret(&THREE, 3)),
        (Mutant::TakesAnyAsking, 6, secret(&THREE, 3)),
        (Mutant::NumbersFromCurrent, 10, vendor(newest, secret(&THREE, 4))),
        (Mutant::LastForgotten, 10, vendor(all, secret(&THREE, 3))),
        (Mutant::SlidingClamp, 6, Scenario { wild_clock: true, ..secret(&TWO, 2) }),
        (Mutant::WildIsPast, 2, Scenario { wild_clock: true, ..secret(&TWO, 1) }),
        (Mutant::CommitsNumberAsRead, 10, vendor(newest, table(&TWO, 2))),
        (Mutant::CommitsAnotherNumber, 3, vendor(newest, table(&TWO, 2))),
        (Mutant::CommitsAnyFamily, 3, secret(&[Refresh, Consent], 2)),
        (Mutant::CommitNeedsAsking, 1, secret(&TWO, 2)),
        (Mutant::CommitUpserts, 4, secret(&[Refresh, Delete], 2)),
        (Mutant::CommitFreesAnothers, 10, vendor(newest, table(&THREE, 3))),
        (Mutant::CommitFreesAnothers, 10, vendor(all, secret(&THREE, 4))),
        (Mutant::NoOtherStore, 1, secret(&TWO, 2)),
        (Mutant::ReleasesAfterPut, 2, secret(&TWO, 2)),
        (Mutant::UnknownReleases, 2, secret(&TWO, 2)),
        (Mutant::DoubtForgotten, 2, secret(&THREE, 3)),
        (Mutant::OldOwnerPutBack, 2, table(&THREE, 3)),
        (Mutant::AdoptsOverAny, 3, vendor(newest, secret(&THREE, 4))),
        (Mutant::AdoptsUnasked, 10, vendor(newest, secret(&THREE, 4))),
    ]
}

/// Refusals and copies.
fn refusals() -> Vec<Row> {
    let changed = [Refresh, ChangeSettings];
    vec![
        (Mutant::RefusesAny, 1, secret(&[Refresh, Refresh, Consent], 3)),
        (Mutant::RefusedWithoutNumber, 1, wrong_settings(secret(&[Refresh, ChangeSettings], 1))),
        (Mutant::DueGoesWithRefusal, 9, secret(&TWO, 3)),
        (Mutant::DueRemovedUnread, 6, wrong_settings(secret(&changed, 2))),
        (Mutant::DueRemovedForNewSettings, 6, wrong_settings(secret(&changed, 2))),
        (Mutant::CopiesOlder, 9, secret(&[Refresh, Refresh, Consent], 3)),
    ]
}

/// Consents, their slot and their settings.
fn consents() -> Vec<Row> {
    vec![
        (Mutant::AnyClient, 1, reads(Reads::InstanceFirst, secret(&[Refresh, NewClient], 2))),
        (Mutant::NoSlot, 1, ends_older(&[Consent, Consent], 0)),
        (Mutant::SlotWithoutNumber, 1, secret(&[NewClient, Consent], 2)),
        (Mutant::UnknownEndsSlot, 1, ends_older(&[Consent, Consent], 2)),
        (Mutant::ConsentWithoutNumber, 3, secret(&[Consent, Consent], 2)),
        (Mutant::SettingsBeforeGrant, 1, secret(&[Refresh, NewClient], 2)),
        (Mutant::SettingsOfAnyConsent, 1, secret(&[NewClient, Consent], 2)),
        (Mutant::NoMarker, 8, secret(&[SameCode, SameCode], 1)),
        (Mutant::NoMarker, 8, nothing(&[Create, Create], 0)),
        (Mutant::MarkerResumes, 8, secret(&[SameCode, SameCode], 1)),
        (Mutant::BareWhileAsking, 2, secret(&[Refresh, BareConsent], 2)),
        (Mutant::BareOverAnyNumber, 2, secret(&[Refresh, BareConsent], 2)),
    ]
}

/// Moves of tokens.
fn moves() -> Vec<Row> {
    vec![
        (Mutant::SettlesAnyNumber, 3, secret(&[Refresh, Refresh, Settle], 2)),
        (Mutant::SettleIgnoresLeaving, 3, to_table(&[Refresh, Settle, Unsettle], 2)),
        (Mutant::UnsettlesWhileAsking, 1, to_table(&[Refresh, Unsettle], 2)),
        (Mutant::SecretDeletedFirst, 3, to_table(&[Refresh, Unsettle], 2)),
        (Mutant::SecretRemovedAtOnce, 4, to_secret(&[Settle, Delete], 2)),
    ]
}

/// Creations, deletions and the sweep.
fn lives() -> Vec<Row> {
    vec![
        (Mutant::LiveBeforeGrant, 9, nothing(&[Create], 1)),
        (Mutant::LiveUnlessPending, 4, nothing(&[Create, Sweep, Sweep], 3)),
        (Mutant::PutRepeated, 9, nothing(&[Import, Import, Sweep], 4)),
        (Mutant::GrantEndedFirst, 9, secret(&[Delete], 1)),
        (Mutant::NoOrphans, 9, nothing(&[Create, Sweep, Sweep], 4)),
        (Mutant::SweepReadsInstanceFirst, 9, nothing(&[Create, Sweep], 1)),
        (Mutant::SweepUndoesPending, 1, nothing(&[Create, Sweep], 3)),
        (Mutant::SweepsTooSoon, 1, nothing(&[Create, Sweep, Sweep], 3)),
    ]
}

/// Imports that take themselves back, and deletions without revoking.
fn imports() -> Vec<Row> {
    let deleted = [Import, DeleteWithoutRevoking, Import];
    let settled = [Import, Settle, DeleteWithoutRevoking, Sweep];
    let settled = Scenario { home: Home::Secret, ..nothing(&settled, 2) };
    let corrected = [Import, ChangeSettings, Refresh, DeleteWithoutRevoking];
    vec![
        (Mutant::TakeBackMarksInstanceFirst, 11, nothing(&[Import, Import], 2)),
        (Mutant::TakeBackInDoubt, 11, vendor(Habit::Lenient, nothing(&[Import, Import], 2))),
        (Mutant::MarkerRemovedFirst, 2, nothing(&[Import, Import, Import], 2)),
        (Mutant::MarkerRemovedWhileAsking, 11, wrong_settings(nothing(&corrected, 1))),
        (Mutant::MarkerRemovedLast, 11, nothing(&[Import], 2)),
        (Mutant::ImportPutsUnasked, 11, nothing(&[Import, Import, Sweep], 3)),
        (Mutant::ImportAsksUnread, 11, nothing(&[Import, Import, Sweep], 3)),
        (Mutant::SweepFinishesUndecided, 9, nothing(&[Import, Sweep], 3)),
        (Mutant::SweepPutsNoFence, 11, nothing(&[Import, Sweep], 3)),
        (Mutant::OrphanOfImportRevoked, 11, nothing(&[Import, Import, Sweep], 3)),
        (Mutant::GrantRemovedWithAnySecret, 4, settled),
        (Mutant::LateHolderRevokesImport, 11, nothing(&deleted, 2)),
    ]
}

/// Returns each mutant in a race, with the number of the property that it breaks.
pub(crate) fn refuted() -> Vec<(u8, Model)> {
    let rows = [refreshes(), refusals(), consents(), moves(), lives(), imports()].into_iter().flatten();
    rows.map(|(mutant, number, scenario)| (number, Model { mutant: Some(mutant), ..Model::new(scenario) }))
        .collect()
}
