//! Whatever is done at once, or while a refresh is under way, loses no grant and leaves none behind.

use broker::Broker;
use broker::Error;
use broker::grant::delete;
use broker::grant::sweep::sweep;
use broker::record::instance::Instance;
use secrecy::ExposeSecret;
use tests::Status as _;
use tests::family::{Family, Habit};
use tests::machine::{Machine, ask, consent, create, keyring, rekey};
use tests::stores::plan::{Fault, Plan};

/// Until the vendor's access tokens have expired, in seconds.
const EXPIRED: i64 = 61;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Ask,
    Delete,
    Rekey,
    Consent,
    Sweep,
}

/// Somebody does that, with the instance as they saw it.
async fn act(broker: &Broker, act: Act, seen: &Instance) -> Result<(), Error> {
    match act {
        Act::Ask => ask(broker, seen).await.map(drop),
        Act::Delete => delete::remove(broker, seen).await,
        Act::Rekey => rekey(broker, seen).await.map(drop),
        Act::Consent => consent(broker, seen).await.map(drop),
        Act::Sweep => Ok(sweep(broker, &sweep::LIMITS, &|| true).await.map(drop)?),
    }
}

/// Makes an instance whose token has expired.
async fn expired(habit: Habit) -> (Machine, Family) {
    let (machine, family) = (Machine::with("warm = true").await, Family::new(habit));
    let books = family.clone();
    machine.vendor.answers_by(move |request| books.answer(request));
    create(&machine.sound()).await.unwrap();
    machine.pass(EXPIRED);
    (machine, family)
}

async fn token(machine: &Machine) -> String {
    let live = ask(&machine.sound(), &machine.instance().await).await.unwrap();
    live.tokens.access_token.expose_secret().to_owned()
}

#[tokio::test]
async fn whatever_is_done_while_a_refresh_is_under_way_loses_no_grant_and_leaves_none() {
    for habit in [Habit::Strict, Habit::Silent] {
        for meanwhile in [Act::Delete, Act::Rekey, Act::Consent, Act::Sweep] {
            for turn in 1..=3 {
                for fault in [Fault::StopBefore, Fault::StopAfter] {
                    let (machine, family) = expired(habit).await;
                    let plan = Plan::nth(turn, fault);
                    let (broker, seen) = (machine.planned(&plan), machine.instance().await);
                    let mut refreshing = Box::pin(act(&broker, Act::Ask, &seen));
                    plan.stops_in(&mut refreshing).await;
                    let disturbed = act(&machine.sound(), meanwhile, &machine.instance().await).await;
                    plan.wake();
                    let refreshed = refreshing.await;
                    let context =
                        format!("{habit:?} {meanwhile:?} {turn} {fault:?}: {disturbed:?} {refreshed:?}");
                    assert_eq!(family.reused(), 0, "{context}: no spent token is sent");
                    if meanwhile == Act::Delete {
                        assert!(machine.record().await.is_none(), "{context}: gone");
                        assert!(!family.takes("access-0-1"), "{context}: and revoked");
                        continue;
                    }
                    let last = token(&machine).await;
                    assert!(family.takes(&last), "{context}: {last}");
                    let secrets = machine.instance().await.secrets(&keyring()).unwrap();
                    let rekeyed = secrets["oauth.api.secret"].expose_secret() == "another";
                    assert_eq!(rekeyed, meanwhile == Act::Rekey && disturbed.is_ok(), "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn callers_sweeps_and_a_new_consent_at_once_make_one_chain() {
    let (machine, family) = expired(Habit::Strict).await;
    for round in 0..10 {
        let instance = machine.instance().await;
        let apps: Vec<_> = (0..20).map(|_| machine.sound()).collect();
        let racers = apps.iter().zip(0..).map(|(broker, number)| {
            let what = match number {
                0 => Act::Consent,
                1 | 2 => Act::Sweep,
                _ => Act::Ask,
            };
            act(broker, what, &instance)
        });
        let outcomes = futures_util::future::join_all(racers).await;
        for outcome in outcomes {
            let refused = outcome.as_ref().err().map(|error| error.status().as_u16());
            assert!(refused.is_none_or(|status| status == 409), "round {round}: {outcome:?}");
        }
        let last = token(&machine).await;
        assert!(family.takes(&last) && family.reused() == 0, "round {round}: {last}");
        machine.pass(EXPIRED);
    }
}
