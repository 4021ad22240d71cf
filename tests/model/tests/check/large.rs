//! The races that take minutes: four racers, or more faults.

use model::model::Model;
use model::racer::Kind::{
    BareConsent, ChangeSettings, Consent, Create, Delete, DeleteWithoutRevoking, Import, NewClient, Refresh,
    SameCode, Settle, Sweep, Unsettle,
};
use model::scenario::{Habit, Home, Reads, Scenario, Start};

use crate::races::{ends_older, model, nothing, reads, secret, table, to_secret, to_table, vendor};

/// Refreshes and moves of tokens.
fn refreshes() -> Vec<(&'static str, Model)> {
    let (all, newest, lenient) = (Habit::GraceAll, Habit::GraceNewest, Habit::Lenient);
    let (two, three) = ([Refresh, Refresh], [Refresh, Refresh, Refresh]);
    let four = [Refresh, Refresh, Refresh, Refresh];
    vec![
        model("secret", secret(&two, 6)),
        model("secret", secret(&three, 4)),
        model("secret", secret(&four, 3)),
        model("table", table(&four, 3)),
        model("secret", secret(&[Refresh, Refresh, Settle, ChangeSettings], 2)),
        model("secret", secret(&[Refresh, Refresh, Settle, Delete], 2)),
        model("to table", to_table(&[Refresh, Refresh, Settle, Unsettle], 2)),
        model("to table, grace", vendor(newest, to_table(&[Refresh, Refresh, Unsettle], 4))),
        model("to table, lenient", vendor(lenient, to_table(&[Refresh, Refresh, Unsettle], 4))),
        model("to secret", to_secret(&[Refresh, Refresh, Settle], 4)),
        model("to secret, grace", vendor(newest, to_secret(&[Refresh, Refresh, Settle], 4))),
        model("named", Scenario { start: Start::Named, ..secret(&[Refresh, Refresh, Settle], 4) }),
        model("grace, newest", vendor(newest, secret(&three, 5))),
        model("grace, newest", vendor(newest, secret(&four, 3))),
        model("grace, newest", vendor(newest, table(&three, 5))),
        model("grace, all", vendor(all, secret(&three, 5))),
        model("grace, all", vendor(all, secret(&four, 3))),
        model("lenient", vendor(lenient, secret(&three, 5))),
    ]
}

/// Consents and changes of settings.
fn consents() -> Vec<(&'static str, Model)> {
    let newest = Habit::GraceNewest;
    let client = [Refresh, NewClient, Consent, ChangeSettings];
    vec![
        model("secret", secret(&[Refresh, Refresh, Settle, Consent], 2)),
        model("grace, newest", vendor(newest, secret(&[Refresh, Refresh, Settle, Consent], 2))),
        model("ends older", ends_older(&[Refresh, Refresh, Consent, Consent], 2)),
        model("ends older", ends_older(&[Consent, Consent, Consent], 3)),
        model("ends older", ends_older(&[Refresh, Consent, Consent, ChangeSettings], 1)),
        model("bare, grace", vendor(newest, secret(&[Refresh, Refresh, Refresh, BareConsent], 2))),
        model("bare", secret(&[BareConsent, Consent, Consent], 3)),
        model("same code", secret(&[SameCode, SameCode, Consent, Refresh], 2)),
        model(
            "client",
            reads(Reads::InstanceFirst, secret(&[Refresh, Refresh, ChangeSettings, NewClient], 2)),
        ),
        model("client", reads(Reads::InstanceFirst, secret(&client, 1))),
        model("client", reads(Reads::GrantFirst, ends_older(&client, 1))),
        model(
            "client",
            reads(Reads::InstanceFirst, secret(&[Refresh, NewClient, NewClient, ChangeSettings], 1)),
        ),
    ]
}

/// Creations, imports and deletions.
fn lives() -> Vec<(&'static str, Model)> {
    let settled = [Import, Import, Settle, Sweep];
    let deleted = [Import, Import, Sweep, DeleteWithoutRevoking];
    vec![
        model("delete", secret(&[Consent, Consent, Delete], 3)),
        model("delete", ends_older(&[Refresh, Consent, Delete], 3)),
        model("create", nothing(&[Create, Create, Refresh, Sweep], 3)),
        model(
            "create, secret",
            Scenario { home: Home::Secret, ..nothing(&[Create, Settle, Sweep, Delete], 3) },
        ),
        model("import", nothing(&[Import, Import, Sweep], 5)),
        model("import", nothing(&[Import, Import, Import, Sweep], 2)),
        model("import", nothing(&[Import, Import, Sweep, Sweep], 2)),
        model("import, grace", vendor(Habit::GraceNewest, nothing(&[Import, Import, Refresh, Sweep], 2))),
        model("import, secret", Scenario { home: Home::Secret, ..nothing(&settled, 2) }),
        model("delete", nothing(&[Import, Import, Sweep, Delete], 2)),
        model("delete without revoking", nothing(&deleted, 2)),
        model("delete without revoking", vendor(Habit::Lenient, nothing(&deleted, 2))),
        model("delete without revoking", nothing(&[Import, Refresh, DeleteWithoutRevoking, Import], 3)),
    ]
}

/// Returns all races.
pub(crate) fn races() -> Vec<(&'static str, Model)> {
    [lives(), refreshes(), consents()].into_iter().flatten().collect()
}
