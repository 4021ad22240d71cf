//! The matrix with every habit of vendors, every trouble with their answers, and clocks that differ.

use super::lives::Life;
use super::matrix::{Case, First, Strike};
use crate::family::{HABITS, Habit, TROUBLES};
use crate::stores::plan::Fault;

/// By how many seconds the clocks of those who come later differ from that of the struck process.
const SKEWS: [i64; 3] = [-300, 0, 300];

const STOPS: [Fault; 2] = [Fault::StopBefore, Fault::StopAfter];
const FAILURES: [Fault; 3] = [Fault::FailsOnce, Fault::LosesReply, Fault::Fails];

/// Strikes a life in every way that its tables do not have: where a grant that is there may be lost, at vendors of
/// every habit.
pub async fn strikes<L: Life>() {
    for habit in if L::IS_TAKEN_OVER { &HABITS[..] } else { &[Habit::Strict] } {
        strikes_at::<L>(Case { habit: *habit, ..Case::of(Strike::None, First::Sweep) }).await;
    }
}

/// Does the same where tokens rest in Secrets Manager, at vendors that forgive nothing.
pub async fn strikes_in_both_stores<L: Life>() {
    let case = Case { settles: true, ..Case::of(Strike::None, First::Sweep) };
    strikes_at::<L>(case).await;
    for turn in 1..=case.run::<L>().await.operations.len() {
        for fault in FAILURES {
            Case { strike: Strike::Store(turn, fault), ..case }.run::<L>().await;
        }
    }
}

async fn strikes_at<L: Life>(case: Case) {
    let habit = &case.habit;
    {
        let operations = case.run::<L>().await.operations;
        let asks = operations.last().is_some_and(|last| last.asked > 0);
        for trouble in TROUBLES.into_iter().filter(|_| asks) {
            Case { strike: Strike::Vendor(trouble), ..case }.run::<L>().await;
        }
        for turn in 1..=operations.len() {
            let stops = STOPS.into_iter().flat_map(|stop| stops::<L>(turn, stop, *habit));
            let failures = FAILURES.into_iter().filter(|_| *habit != Habit::Strict);
            for (strike, skew) in failures.map(|fault| (Strike::Store(turn, fault), 0)).chain(stops) {
                Case { strike, skew, ..case }.run::<L>().await;
            }
        }
    }
}

/// A process dies, is slow, or stalls longer than anybody waits for it. Wrong clocks are worst where nothing is
/// forgiven.
fn stops<L: Life>(turn: usize, stop: Fault, habit: Habit) -> Vec<(Strike, i64)> {
    let skews = if L::IS_TAKEN_OVER && habit == Habit::Strict { &SKEWS[..] } else { &[0] };
    let mut strikes = vec![Strike::Slow(turn, stop)];
    if L::IS_TAKEN_OVER {
        strikes.extend([Strike::Store(turn, stop), Strike::Stall(turn, stop)]);
    }
    strikes.into_iter().flat_map(|strike| skews.iter().map(move |skew| (strike, *skew))).collect()
}
