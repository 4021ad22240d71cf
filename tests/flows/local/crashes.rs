//! The table of crashes says what is: its operations are those that are made, and its tests are there.

use tests::machine::{Machine, create};
use tests::suites::faulty::Plan;
use valetkey::clock::Stopwatch;
use valetkey::redeem::Proof;
use valetkey::removal;
use valetkey::renewal::{self, Ask};
use valetkey::revision::{Revision, revise};

use crate::both::connect_faults::{Client, comes_back, registered, visit, visit_again};
use crate::both::revision_faults::found;

const TABLE: &str = include_str!("../../../shared/crashes.md");

/// Gives the cells of a section's rows.
fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = TABLE.split_once(&format!("\n## {section}\n")).unwrap();
    let table = rest.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Gives the operations on the stores that a section tells of; the vendor's is none.
fn told(section: &str) -> Vec<&'static str> {
    let operations = rows(section).into_iter().map(|row| row[0].trim_matches('`'));
    operations.filter(|operation| *operation != "the vendor").collect()
}

#[tokio::test]
async fn the_tables_operations_are_those_that_are_made() {
    let machine = Machine::new().await;
    let sound = || Plan::everywhere(0, None);

    let (hosted, plan) = (Machine::new().await, sound());
    let visit = visit(&hosted, Client::Own).await;
    assert_eq!(comes_back(&hosted.planned(&plan), &visit).await, 200);
    assert_eq!(plan.made(), told("A visitor's callback"));

    let (hosted, plan) = (Machine::new().await, sound());
    create(&hosted.sound()).await.unwrap();
    let visit = visit_again(&hosted).await;
    assert_eq!(comes_back(&hosted.planned(&plan), &visit).await, 200);
    assert_eq!(plan.made(), told("A visitor's callback that authenticates an instance again"));

    let plan = sound();
    registered(&machine.planned(&plan)).await.unwrap();
    assert_eq!(plan.made(), told("An app's registration, and another secret"));

    let plan = sound();
    create(&machine.planned(&plan)).await.unwrap();
    assert_eq!(plan.made(), told("Creation"));

    let plan = sound();
    let app = machine.planned(&plan);
    machine.pass(61);
    renewal::live(&app, found(&machine).await, Ask::Lasting(0), Stopwatch::start()).await.unwrap();
    assert_eq!(plan.made(), told("Refresh, on demand and by the sweep"));

    let plan = sound();
    let proof = Some(Proof::Code("code".to_owned().into(), None));
    let revision = Revision { proof, ..Revision::default() };
    revise(&machine.planned(&plan), found(&machine).await, &revision, Stopwatch::start()).await.unwrap();
    assert_eq!(plan.made(), told("Another consent, or another secret in the configuration"));

    let plan = sound();
    removal::remove(&machine.planned(&plan), &found(&machine).await).await.unwrap();
    assert_eq!(plan.made(), told("Deletion"));
}

#[test]
fn the_tables_tests_are_there() {
    let flows = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("flows");
    let folders = ["both", "local"].map(|folder| std::fs::read_dir(flows.join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|file| std::fs::read_to_string(file.unwrap().path()));
    let sources: String = files.map(Result::unwrap).collect();
    let sections = TABLE.split("\n## ").skip(1).filter_map(|section| section.lines().next());
    let mut named = 0;
    for row in sections.flat_map(rows) {
        for test in row.last().unwrap().split(", ") {
            assert!(sources.contains(&format!("fn {}()", test.trim_matches('`'))), "{test}");
            named += 1;
        }
    }
    assert!(named >= 20, "{named}");
}
