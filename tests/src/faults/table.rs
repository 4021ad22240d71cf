//! The matrix as `shared/crashes.md` prints it: what every death leaves, and what is answered when a store fails.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::lives::Life;
use super::matrix::{Case, First, Strike};
use super::world::telling;
use crate::stores::plan::Fault;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/crashes.md");

/// When this variable is set, tables are rewritten and not compared.
const REWRITE: &str = "VALETKEY_WRITE_CRASHES";

const DEATHS: &str = "| dies at | left before it | left after it | the next caller | the sweep |";
const FAILURES: &str = "| store fails at | once | once, and it was done | for good |";

/// A death: what it left, what came of that when somebody called first, and when the sweep came first.
struct Death {
    left: String,
    next: String,
    swept: String,
}

/// Has a process die at every operation of a life, and compares what came of it with the life's table.
pub async fn deaths<L: Life>() {
    let sound = Case::of(Strike::None, First::Sweep).run::<L>().await;
    let lossy = Case::of(Strike::LostReplies, First::Sweep).run::<L>().await;
    assert_eq!((&lossy.answer, &lossy.left), (&sound.answer, &sound.left), "every reply is lost");
    let mut before = death::<L>(1, Fault::StopBefore).await.left;
    let (mut table, mut asked) = (format!("{DEATHS}\n|---|---|---|---|---|\n"), 0);
    for (operation, turn) in sound.operations.iter().zip(1..) {
        if operation.asked > asked {
            let spent = death::<L>(turn, Fault::StopBefore).await;
            before = row(&mut table, "the vendor", &before, spent);
        }
        asked = operation.asked;
        let after = death::<L>(turn, Fault::StopAfter).await;
        before = row(&mut table, &operation.name, &before, after);
    }
    compare(L::TITLE, DEATHS, &table);
}

/// Has the store fail at every operation of a life, and compares what came of it with the life's table.
pub async fn failures<L: Life>() {
    let sound = Case::of(Strike::None, First::Sweep).run::<L>().await;
    let mut table = format!("{FAILURES}\n|---|---|---|---|\n");
    for (operation, turn) in sound.operations.iter().zip(1..) {
        write!(table, "| {} |", operation.name).unwrap();
        for fault in [Fault::FailsOnce, Fault::LosesReply, Fault::Fails] {
            let outcome = Case::of(Strike::Store(turn, fault), First::Sweep).run::<L>().await;
            let told: Vec<_> =
                outcome.told.into_iter().filter(|metric| !sound.told.contains(metric)).collect();
            let left = (outcome.left != sound.left).then(|| format!("left: {}", outcome.left));
            let answer = outcome.answer.map(|answer| answer.words);
            let cell: Vec<_> = answer.into_iter().chain(telling(&told)).chain(left).collect();
            write!(table, " {} |", cell.join("; ")).unwrap();
        }
        table.push('\n');
    }
    compare(L::TITLE, FAILURES, &table);
}

/// Checks that the table has the sections of these lives, and no others.
pub fn has_sections(titles: &[&str]) {
    let text = fs::read_to_string(FILE).unwrap();
    let sections: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, titles, "the sections of shared/crashes.md");
}

async fn death<L: Life>(turn: usize, fault: Fault) -> Death {
    let called = Case::of(Strike::Store(turn, fault), First::Caller).run::<L>().await;
    let swept = Case::of(Strike::Store(turn, fault), First::Sweep).run::<L>().await;
    assert_eq!((called.left, called.answer), (swept.left.clone(), None), "it dies");
    Death { left: swept.left, next: called.next, swept: swept.swept }
}

/// Adds a row, and gives what is left after it.
fn row(table: &mut String, at: &str, before: &str, death: Death) -> String {
    let Death { left, next, swept } = death;
    writeln!(table, "| {at} | {before} | {left} | {next} | {swept} |").unwrap();
    left
}

/// Compares a table of a section, which begins with that line, with what it should be; or rewrites it. Other tests
/// may do so at the same time.
fn compare(title: &str, head: &str, expected: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(FILE).unwrap();
    let section =
        text.find(&format!("\n## {title}\n")).expect("shared/crashes.md has a section of each life");
    let begin = section + text[section..].find(head).expect("the section has the table's head");
    let end = text[begin..].find("\n\n").map_or(text.len(), |length| begin + length + 1);
    #[expect(clippy::disallowed_methods, reason = "whoever wants the table rewritten says so here alone")]
    let rewrites = std::env::var_os(REWRITE).is_some();
    if rewrites {
        fs::write(FILE, format!("{}{expected}{}", &text[..begin], &text[end..])).unwrap();
    } else {
        let how = format!("\"{title}\" in shared/crashes.md says something else; {REWRITE}=1 rewrites it");
        assert_eq!(&text[begin..end], expected, "{how}");
    }
}
