//! The races that are checked each time.

use model::model::Model;
use model::mutant::Mutant;
use model::racer::Kind::{
    BareConsent, ChangeSettings, Consent, Create, Delete, DeleteWithoutRevoking, Import, NewClient, Refresh,
    SameCode, Settle, Sweep, Unsettle,
};
use model::scenario::{Habit, Home, Reads, Scenario, Start};
use model::sight::Sight;

use crate::races::{
    ends_older, model, nothing, reads, secret, table, to_secret, to_table, vendor, wrong_settings,
};

/// What the races must have met.
pub(crate) const SEEN: [Sight; 25] = [
    Sight::Committed,
    Sight::CommittedLate,
    Sight::CommittedOverLate,
    Sight::FoundNewer,
    Sight::OtherStore,
    Sight::Adopted,
    Sight::GaveBackInDoubt,
    Sight::AskedInDoubt,
    Sight::Refused,
    Sight::RecognisedOwn,
    Sight::ConsentKept,
    Sight::ConsentWaits,
    Sight::Superseded,
    Sight::BareKept,
    Sight::BareDropped,
    Sight::Settled,
    Sight::MovedBack,
    Sight::Copied,
    Sight::Created,
    Sight::CreatedTooLate,
    Sight::FinishedBySweep,
    Sight::MarkerFound,
    Sight::TakenBack,
    Sight::Unmarked,
    Sight::ImportedAgain,
];

/// Refreshes and moves of tokens.
fn refreshes() -> Vec<(&'static str, Model)> {
    let (all, newest, lenient) = (Habit::GraceAll, Habit::GraceNewest, Habit::Lenient);
    let three = [Refresh, Refresh, Refresh];
    vec![
        model("secret", secret(&three, 3)),
        model("secret", secret(&[Refresh, Refresh, Settle], 3)),
        model("secret", secret(&[Refresh, Settle, Settle], 3)),
        model("table", table(&three, 3)),
        model("to table", to_table(&[Refresh, Refresh, Unsettle], 3)),
        model("to table", to_table(&[Refresh, Settle, Unsettle], 3)),
        model("to table", to_table(&[Refresh, Unsettle, Consent], 3)),
        model("to table", to_table(&[Unsettle, Settle, Delete], 2)),
        model("to secret", to_secret(&[Refresh, Settle, Settle], 3)),
        model("to secret", to_secret(&[Settle, Unsettle, Refresh], 3)),
        model("named", Scenario { start: Start::Named, ..secret(&[Refresh, Settle, Unsettle], 3) }),
        model("grace, newest", vendor(newest, table(&three, 3))),
        model("grace, newest", vendor(newest, secret(&three, 3))),
        model("grace, all", vendor(all, secret(&three, 3))),
        model("grace, newest", vendor(newest, secret(&[Refresh, Refresh, Settle], 3))),
        model("grace, newest", vendor(newest, secret(&[Refresh, Refresh, Delete], 2))),
        model("lenient", vendor(lenient, secret(&three, 4))),
        model("adoption over any older", vendor(newest, secret(&three, 4))).with(Mutant::AdoptsOverOlder),
        model("take of any number", secret(&three, 3)).with(Mutant::TakesAnyNumber),
    ]
}

trait With {
    fn with(self, mutant: Mutant) -> Self;
}

impl With for (&'static str, Model) {
    fn with(mut self, mutant: Mutant) -> Self {
        self.1.mutant = Some(mutant);
        self
    }
}

/// Consents and changes of settings.
fn consents() -> Vec<(&'static str, Model)> {
    let newest = Habit::GraceNewest;
    vec![
        model("secret", secret(&[Refresh, Refresh, Consent], 3)),
        model("secret", secret(&[Refresh, Consent, Consent], 3)),
        model("grace, newest", vendor(newest, secret(&[Refresh, Refresh, Consent], 3))),
        model("ends older", ends_older(&[Consent, Consent], 3)),
        model("ends older", ends_older(&[Refresh, Consent, Consent], 3)),
        model("ends older", ends_older(&[Refresh, Refresh, Consent], 3)),
        model("bare", secret(&[Refresh, BareConsent], 3)),
        model("bare", secret(&[Refresh, Refresh, BareConsent], 3)),
        model("bare", secret(&[Refresh, BareConsent, Settle], 3)),
        model("bare", secret(&[Refresh, BareConsent, Consent], 3)),
        model("bare, grace", vendor(newest, secret(&[Refresh, Refresh, BareConsent], 3))),
        model("bare twice", secret(&[Refresh, BareConsent, BareConsent], 3)),
        model("same code", secret(&[SameCode, SameCode, Refresh], 3)),
        model("same code", secret(&[SameCode, SameCode, Delete], 3)),
        model("settings", secret(&[Refresh, Refresh, ChangeSettings], 3)),
        model("settings", secret(&[Refresh, ChangeSettings, ChangeSettings], 3)),
        model("settings", reads(Reads::InstanceFirst, secret(&[Refresh, Refresh, ChangeSettings], 3))),
        model("settings", reads(Reads::GrantFirst, secret(&[Refresh, Refresh, ChangeSettings], 3))),
        model("client", reads(Reads::InstanceFirst, secret(&[Refresh, Refresh, NewClient], 2))),
        model("client", reads(Reads::GrantFirst, secret(&[Refresh, Refresh, NewClient], 2))),
        model("client", reads(Reads::InstanceFirst, secret(&[Refresh, NewClient, ChangeSettings], 3))),
        model("client", secret(&[Refresh, NewClient, Consent], 3)),
        model("client", secret(&[NewClient, NewClient, Delete], 2)),
        model("client", ends_older(&[NewClient, Consent, ChangeSettings], 3)),
        model(
            "wrong settings",
            wrong_settings(reads(Reads::InstanceFirst, secret(&[Refresh, Refresh, ChangeSettings], 3))),
        ),
        model(
            "wrong settings",
            wrong_settings(reads(Reads::GrantFirst, secret(&[Refresh, Refresh, ChangeSettings], 3))),
        ),
    ]
}

/// Creations, imports and deletions.
fn lives() -> Vec<(&'static str, Model)> {
    vec![
        model("delete", secret(&[Refresh, Settle, Delete], 3)),
        model("delete", secret(&[Refresh, Consent, Delete], 3)),
        model("delete", table(&[Refresh, Consent, Delete], 3)),
        model("delete", reads(Reads::InstanceFirst, secret(&[Refresh, Refresh, Delete], 3))),
        model("delete", reads(Reads::GrantFirst, secret(&[Refresh, Consent, Delete], 3))),
        model("create", nothing(&[Create, Create], 4)),
        model("create", nothing(&[Create, Create, Sweep], 4)),
        model("create", nothing(&[Create, Sweep, Sweep], 4)),
        model("maker keeps its grant", nothing(&[Create, Sweep, Sweep], 4)).with(Mutant::LateMakerKeepsGrant),
        model("create", nothing(&[Create, Delete, Sweep], 4)),
        model("create", nothing(&[Create, Create, Sweep, Delete], 3)),
        model("create, secret", Scenario { home: Home::Secret, ..nothing(&[Create, Settle, Sweep], 3) }),
        model("create", nothing(&[Create, Refresh, Delete, Sweep], 3)),
    ]
}

/// Imports that take themselves back, and deletions without revoking.
fn imports() -> Vec<(&'static str, Model)> {
    let corrected = [Import, ChangeSettings, Refresh, DeleteWithoutRevoking];
    let settled = [Import, Settle, DeleteWithoutRevoking, Sweep];
    vec![
        model("import", nothing(&[Import, Import], 5)),
        model("import", nothing(&[Import, Import, Sweep], 3)),
        model("import", nothing(&[Import, Sweep, Sweep], 3)),
        model("import", nothing(&[Import, Import, Import], 2)),
        model("import", nothing(&[Import, Import, Sweep, Sweep], 1)),
        model("import, lenient", vendor(Habit::Lenient, nothing(&[Import, Import, Sweep], 3))),
        model("import, grace", vendor(Habit::GraceAll, nothing(&[Import, Import, Sweep], 3))),
        model("delete", nothing(&[Import, Import, Delete], 3)),
        model("delete without revoking", nothing(&[Import, DeleteWithoutRevoking, Import], 3)),
        model("delete without revoking", nothing(&[Import, Refresh, DeleteWithoutRevoking, Import], 2)),
        model("delete without revoking", nothing(&[Import, Import, Sweep, DeleteWithoutRevoking], 1)),
        model("delete without revoking", wrong_settings(nothing(&corrected, 2))),
        model("delete without revoking", Scenario { home: Home::Secret, ..nothing(&settled, 2) }),
        model(
            "delete without revoking",
            Scenario { ends_older: true, ..nothing(&[Import, Consent, DeleteWithoutRevoking, Import], 2) },
        ),
    ]
}

/// Returns all races.
pub(crate) fn races() -> Vec<(&'static str, Model)> {
    [refreshes(), consents(), lives(), imports()].into_iter().flatten().collect()
}
