//! Every fault at every point, for every caller and every vendor's habit: enumerated, not sampled.
//!
//! A point is an operation on a store, reads among them, or the vendor's answer. In each scenario one process is
//! struck there; others come at once, and again when its lease is dead; a process that only stalled then wakes
//! and goes on. At the end whoever asks gets a token that the vendor takes. A grant may end only where nobody
//! could save it, at a vendor that is strict, between its answer and the vault; and then it was told.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use tests::family::{Family, HABITS, Habit, TROUBLES, Trouble};
use tests::machine::{Machine, create};
use tests::suites::faulty::{Fault, Plan};
use tests::told::Told;
use valetkey::app::App;
use valetkey::clock::Stopwatch;
use valetkey::error::Error;
use valetkey::instance::{self, Instance};
use valetkey::redeem::Proof;
use valetkey::removal;
use valetkey::renewal::{self, Ask};
use valetkey::revision::{Revision, revise};
use valetkey::sweep::sweep;

/// Who is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Whoever asks for an access token.
    OnDemand,
    /// The sweep.
    Sweep,
    /// Whoever brings a new code.
    Consent,
    /// Whoever changes a secret of the configuration.
    Rekey,
}

const CALLERS: [Caller; 4] = [Caller::OnDemand, Caller::Sweep, Caller::Consent, Caller::Rekey];

/// What strikes.
#[derive(Debug, Clone, Copy)]
enum Strike {
    /// A fault of a store, or a death, at the operation of this number.
    Store(usize, Fault),
    /// The same, and the process was only stalled: it goes on when others have taken it for dead.
    Stall(usize, Fault),
    /// The same, and it goes on while it still has its lease.
    Slow(usize, Fault),
    /// Trouble with the vendor's answer.
    Vendor(Trouble),
}

/// How many seconds the clocks of those who come later differ from that of the struck process.
const SKEWS: [i64; 3] = [-300, 0, 300];

/// Until the vendor's access tokens are due, and how long they live.
const DUE: i64 = 31;
const LIFETIME: i64 = 60;

/// Longer than a lease lasts, with what the clocks may differ.
const LEASE_IS_DEAD: i64 = 700;

/// One process does what it does.
async fn act(app: &App, caller: Caller, instance: Instance) -> Result<(), Error> {
    let watch = Stopwatch::start();
    let revision = match caller {
        Caller::OnDemand => return renewal::live(app, instance, Ask::Lasting(0), watch).await.map(drop),
        Caller::Sweep => return Ok(sweep(app, &refresh::LIMITS, &|| true).await.map(drop)?),
        Caller::Consent => {
            Revision { proof: Some(Proof::Code("code".to_owned().into(), None)), ..Revision::default() }
        }
        Caller::Rekey => {
            let key = ("oauth.api.key".to_owned(), Some("another".to_owned()));
            Revision { configuration: Some(BTreeMap::from([key])), ..Revision::default() }
        }
    };
    revise(app, instance, &revision, watch).await.map(drop)
}

async fn found(machine: &Machine) -> Instance {
    instance::find(&machine.registry, 1, 1).await.unwrap().unwrap()
}

async fn token(machine: &Machine, app: &App) -> Result<String, Error> {
    let live = renewal::live(app, found(machine).await, Ask::Lasting(0), Stopwatch::start()).await?;
    Ok(live.grant.tokens.access_token.expose_secret().to_owned())
}

/// What came of a scenario.
struct Outcome {
    /// Whether somebody has a token that the vendor takes.
    lives: bool,
    /// Whether a refresh token was used twice, where that matters.
    reused: bool,
    /// The metrics that were told.
    told: Vec<String>,
    /// What the struck process asked of the stores.
    made: Vec<&'static str>,
    /// Whether it was struck at all.
    struck: bool,
}

async fn scenario(caller: Caller, habit: Habit, strike: Strike, skew: i64) -> Outcome {
    let (told, _guard) = Told::listen();
    let machine = Machine::with("warm = true").await;
    let family = Family::new(habit);
    let books = family.clone();
    machine.vendor.answers_by(move |request| books.answer(request));
    create(&machine.sound()).await.unwrap();
    machine.pass(DUE);

    let plan = match strike {
        Strike::Store(turn, fault) | Strike::Stall(turn, fault) | Strike::Slow(turn, fault) => {
            Plan::everywhere(turn, Some(fault))
        }
        Strike::Vendor(trouble) => {
            family.trouble(trouble);
            Plan::everywhere(0, None)
        }
    };
    let (app, instance) = (machine.planned(&plan), found(&machine).await);
    let mut struck = tokio::spawn(async move { act(&app, caller, instance).await });
    tokio::select! {
        biased;
        () = plan.died() => {}
        ended = &mut struck => drop(ended.unwrap()),
    }
    let died = plan.is_dead();
    if matches!(strike, Strike::Store(..)) {
        struck.abort();
    }

    // Others come at once, while a token is valid, and are served.
    machine.pass(1);
    assert!(family.takes(&token(&machine, &machine.skewed(0)).await.unwrap()), "the valid token serves");
    sweep(&machine.skewed(skew), &refresh::LIMITS, &|| true).await.unwrap();
    if let (true, Strike::Slow(..)) = (died, strike) {
        plan.wake();
        let _ = (&mut struck).await.unwrap();
    }
    // They come again when the lease is dead, whatever their clocks say, and when every token has expired.
    machine.pass(LEASE_IS_DEAD);
    let others = machine.skewed(skew);
    sweep(&others, &refresh::LIMITS, &|| true).await.unwrap();
    let _ = token(&machine, &others).await;
    if let (true, Strike::Stall(..)) = (died, strike) {
        plan.wake();
        let _ = struck.await.unwrap();
    }
    machine.pass(LIFETIME);
    sweep(&machine.skewed(0), &refresh::LIMITS, &|| true).await.unwrap();
    machine.pass(LEASE_IS_DEAD);
    let last = token(&machine, &machine.skewed(0)).await;
    Outcome {
        lives: last.as_ref().is_ok_and(|token| family.takes(token)),
        reused: family.reused() > 0,
        told: told.metrics(),
        made: plan.made(),
        struck: died || matches!(strike, Strike::Vendor(_)) || plan.made().len() >= turn(strike),
    }
}

fn turn(strike: Strike) -> usize {
    match strike {
        Strike::Store(turn, _) | Strike::Stall(turn, _) | Strike::Slow(turn, _) => turn,
        Strike::Vendor(_) => 0,
    }
}

/// Tells whether nobody could save the grant: a strict vendor has spent the old refresh token, and the new one
/// was nowhere yet.
fn may_end(caller: Caller, habit: Habit, strike: Strike, made: &[&str]) -> bool {
    let refreshes = matches!(caller, Caller::OnDemand | Caller::Sweep);
    let unsaved = match strike {
        Strike::Vendor(trouble) => trouble.acts(),
        // The vault never got the answer.
        Strike::Slow(..) => false,
        Strike::Store(turn, fault) | Strike::Stall(turn, fault) => {
            made[turn - 1] == "vault put" && matches!(fault, Fault::DeathBefore | Fault::Fails)
        }
    };
    refreshes && habit == Habit::Strict && unsaved
}

fn check(caller: Caller, habit: Habit, strike: Strike, skew: i64, outcome: &Outcome) {
    let context =
        format!("{caller:?} {habit:?} {strike:?} skew {skew}: {:?}, told {:?}", outcome.made, outcome.told);
    assert!(outcome.struck, "{context}: it was not struck");
    let doubted = outcome.told.iter().any(|metric| metric == "GrantInDoubt");
    if may_end(caller, habit, strike, &outcome.made) {
        let dead = outcome.told.iter().any(|metric| metric == "GrantDead");
        assert!(outcome.lives || doubted && dead, "{context}: a loss is told");
    } else {
        assert!(outcome.lives, "{context}: it is lost");
    }
    assert!(!outcome.reused || doubted, "{context}: an old token was used without a doubt");
}

/// Runs every fault of one kind at every operation.
async fn at_every_operation(faults: &[Fault], skews: &[i64], strike: fn(usize, Fault) -> Strike) -> usize {
    let mut scenarios = 0;
    for caller in CALLERS {
        for habit in HABITS {
            let sound = scenario(caller, habit, strike(usize::MAX, Fault::Fails), 0).await;
            assert!(sound.lives && !sound.reused, "{caller:?} {habit:?} without a fault");
            for turn in 1..=sound.made.len() {
                for fault in faults {
                    // Wrong clocks are worst where nothing is forgiven.
                    let skews = if habit == Habit::Strict { skews } else { &[0] };
                    for skew in skews {
                        let strike = strike(turn, *fault);
                        let outcome = scenario(caller, habit, strike, *skew).await;
                        check(caller, habit, strike, *skew, &outcome);
                        scenarios += 1;
                    }
                }
            }
        }
    }
    scenarios
}

#[tokio::test]
async fn a_death_at_any_operation() {
    let faults = [Fault::DeathBefore, Fault::DeathAfter];
    println!("{} deaths", at_every_operation(&faults, &SKEWS, Strike::Store).await);
}

#[tokio::test]
async fn a_stall_at_any_operation() {
    let faults = [Fault::DeathBefore, Fault::DeathAfter];
    println!("{} stalls", at_every_operation(&faults, &SKEWS, Strike::Stall).await);
}

#[tokio::test]
async fn a_slow_answer_at_any_operation() {
    let faults = [Fault::DeathBefore, Fault::DeathAfter];
    println!("{} slow answers", at_every_operation(&faults, &SKEWS, Strike::Slow).await);
}

#[tokio::test]
async fn a_store_that_fails_or_loses_a_reply_at_any_operation() {
    let faults = [Fault::FailsOnce, Fault::LosesReply, Fault::Fails];
    println!("{} failures", at_every_operation(&faults, &[0], Strike::Store).await);
}

#[tokio::test]
async fn any_trouble_with_the_vendors_answer() {
    for caller in [Caller::OnDemand, Caller::Sweep, Caller::Consent] {
        for habit in HABITS {
            for trouble in TROUBLES {
                let strike = Strike::Vendor(trouble);
                check(caller, habit, strike, 0, &scenario(caller, habit, strike, 0).await);
            }
        }
    }
}

/// What somebody else does while a refresh is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Delete,
    Rekey,
    Consent,
    Sweep,
}

/// Deletes the instance, or does what a caller of that kind does.
async fn disturb(machine: &Machine, meanwhile: Meanwhile) -> Result<(), Error> {
    let (app, instance) = (machine.sound(), found(machine).await);
    match meanwhile {
        Meanwhile::Delete => removal::remove(&app, &instance).await,
        Meanwhile::Rekey => act(&app, Caller::Rekey, instance).await,
        Meanwhile::Consent => act(&app, Caller::Consent, instance).await,
        Meanwhile::Sweep => act(&app, Caller::Sweep, instance).await,
    }
}

#[tokio::test]
async fn whatever_is_done_while_a_refresh_is_under_way_loses_no_grant_and_leaves_none() {
    for habit in [Habit::Strict, Habit::Silent] {
        for meanwhile in [Meanwhile::Delete, Meanwhile::Rekey, Meanwhile::Consent, Meanwhile::Sweep] {
            for turn in 1..=4 {
                for fault in [Fault::DeathBefore, Fault::DeathAfter] {
                    let machine = Machine::with("warm = true").await;
                    let family = Family::new(habit);
                    let books = family.clone();
                    machine.vendor.answers_by(move |request| books.answer(request));
                    create(&machine.sound()).await.unwrap();
                    machine.pass(LIFETIME + 1);
                    let plan = Plan::everywhere(turn, Some(fault));
                    let (app, instance) = (machine.planned(&plan), found(&machine).await);
                    let refreshing = tokio::spawn(async move { act(&app, Caller::OnDemand, instance).await });
                    plan.died().await;
                    let disturbed = disturb(&machine, meanwhile).await;
                    plan.wake();
                    let refreshed = refreshing.await.unwrap();
                    let context =
                        format!("{habit:?} {meanwhile:?} {turn} {fault:?}: {disturbed:?} {refreshed:?}");
                    assert_eq!(family.reused(), 0, "{context}: no spent token is sent");
                    if meanwhile == Meanwhile::Delete {
                        assert!(machine.record().await.is_none(), "{context}: gone");
                        assert!(!family.takes("access-0-1"), "{context}: and revoked");
                        continue;
                    }
                    let last = token(&machine, &machine.sound()).await.unwrap();
                    assert!(family.takes(&last), "{context}: {last}");
                    let grant = machine.sound().grant(&found(&machine).await).await.unwrap().unwrap();
                    let rekeyed = grant.secret("oauth.api.key") == Some("another");
                    assert_eq!(rekeyed, meanwhile == Meanwhile::Rekey && disturbed.is_ok(), "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn callers_sweeps_and_a_new_consent_at_once_make_one_chain() {
    let machine = Machine::with("warm = true").await;
    let family = Family::new(Habit::Strict);
    let books = family.clone();
    machine.vendor.answers_by(move |request| books.answer(request));
    create(&machine.sound()).await.unwrap();
    for round in 0..10 {
        machine.pass(LIFETIME + 1);
        let instance = found(&machine).await;
        let apps: Vec<_> = (0..20).map(|_| machine.sound()).collect();
        let racers = apps.iter().zip(0..).map(|(app, number)| {
            let caller = match number {
                0 => Caller::Consent,
                1 | 2 => Caller::Sweep,
                _ => Caller::OnDemand,
            };
            act(app, caller, instance.clone())
        });
        let outcomes = futures_util::future::join_all(racers).await;
        for outcome in outcomes {
            let refused = outcome.as_ref().err().map(|error| error.status().as_u16());
            assert!(refused.is_none_or(|status| status == 409), "round {round}: {outcome:?}");
        }
        let last = token(&machine, &machine.sound()).await.unwrap();
        assert!(family.takes(&last) && family.reused() == 0, "round {round}: {last}");
    }
}
