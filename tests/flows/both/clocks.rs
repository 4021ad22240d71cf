//! A clock was wrong once. Nothing is barred for longer than whoever asks may take, with what clocks may differ.

use broker::Broker;
use broker::clock::Clock;
use broker::grant::delete;
use broker::record::grant::Asking;
use tests::machine::{Machine, SECOND, access_of, ask, consent, create};
use tests::stores::plan::{Fault, Plan};
use tests::until;

const DAY: i64 = 86_400;

/// How far ahead the clock was, in seconds.
const AHEAD: [i64; 2] = [DAY, 3_650 * DAY];

/// Whoever asks has certainly ended after this.
const HAS_ENDED: i64 = 361;

/// A process whose clock is ahead by so many seconds.
fn ahead(machine: &Machine, broker: Broker, seconds: i64) -> Broker {
    Broker { clock: Clock::fixed(machine.clock.now() + seconds), ..broker }
}

#[tokio::test]
async fn a_refresh_that_died_with_a_clock_from_the_future_bars_nobody_for_longer_than_any_other() {
    for seconds in AHEAD {
        let (machine, plan) =
            (Machine::with("warm = true").await, Plan::at("registry update", 2, Fault::StopBefore));
        let made = create(&machine.sound()).await.unwrap();
        machine.pass(61);
        machine.vendor.answers("200 OK", "", SECOND);
        let wrong = ahead(&machine, machine.planned(&plan), seconds);
        plan.stops_in(ask(&wrong, &made)).await;
        // The sweep comes, or a caller: the time is corrected, once.
        machine.sweep().await;
        let (caller, now) = (machine.sound(), machine.clock.now());
        let is_corrected = async || machine.grant().await.unwrap().asking_since == Some(now);
        tokio::select! {
            waited = ask(&caller, &made) => panic!("{seconds} s ahead: {:?}", waited.err()),
            () = until(is_corrected) => {}
        }
        machine.pass(HAS_ENDED);
        assert_eq!(machine.grant().await.unwrap().asking(machine.clock.now()), Asking::Ended);
        assert_eq!(access_of(&ask(&machine.sound(), &made).await.unwrap()), "second");
    }
}

#[tokio::test]
async fn tokens_that_a_clock_from_the_future_has_dated_are_not_taken_for_fresh() {
    for seconds in AHEAD {
        let machine = Machine::with("warm = true").await;
        let made = create(&ahead(&machine, machine.sound(), seconds)).await.unwrap();
        machine.vendor.answers("200 OK", "", SECOND);
        let live = ask(&machine.sound(), &made).await.unwrap();
        assert_eq!((access_of(&live), machine.asked().0), ("second", 2), "{seconds} s ahead");
        let due = machine.grant().await.unwrap().due.unwrap();
        assert!(due < machine.clock.now() + DAY, "the sweep comes in time");
    }
}

#[tokio::test]
async fn the_sweep_finds_what_a_clock_from_the_future_has_put_far_away() {
    let machine = Machine::with("warm = true").await;
    create(&ahead(&machine, machine.sound(), AHEAD[1])).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    for _ in 0..2 {
        machine.sweep().await;
        machine.pass(3_600);
    }
    assert_eq!((machine.access_token().await.as_str(), machine.asked().0), ("second", 2));
}

#[tokio::test]
async fn a_consent_works_whatever_clocks_have_said() {
    for seconds in AHEAD {
        let (machine, plan) = (Machine::new().await, Plan::at("registry insert", 1, Fault::StopBefore));
        let made = create(&machine.sound()).await.unwrap();
        // A consent dies with its slot.
        let wrong = ahead(&machine, machine.planned(&plan), seconds);
        plan.stops_in(consent(&wrong, &made)).await;
        machine.vendor.answers("200 OK", "", SECOND);
        let early = consent(&machine.sound(), &machine.instance().await).await.unwrap_err();
        assert!(early.retry_after().unwrap() < 400, "{early}");
        machine.pass(HAS_ENDED);
        consent(&machine.sound(), &machine.instance().await).await.unwrap();
        assert_eq!(machine.access_token().await, "second", "{seconds} s ahead");
    }
}

#[tokio::test]
async fn a_deletion_that_a_clock_from_the_future_has_begun_ends() {
    for seconds in AHEAD {
        let machine = Machine::new().await.settling().await;
        let made = create(&machine.sound()).await.unwrap();
        delete::remove(&ahead(&machine, machine.sound(), seconds), &made).await.unwrap();
        machine.pass(DAY + HAS_ENDED);
        for _ in 0..3 {
            machine.sweep().await;
            machine.pass(HAS_ENDED);
        }
        let left = (machine.record().await.is_some(), machine.grant().await.is_some());
        assert_eq!(left, (false, false), "{seconds} s ahead");
    }
}
