//! Stores that refuse writes while many grants are due, at vendors that end a grant whose refresh token comes twice. No
//! grant may be lost, and all tokens must have moved in the end: else it fails.
//!
//! - `denied GRANTS SECONDS`, on the functions: Secrets Manager denies every write so long, while tokens are asked for and
//!   the sweep runs.
//! - `throttled GRANTS`, inside a process: Secrets Manager takes 50 writes a second, and the sweep has its pace.
//! - `hot GRANTS`, inside a process: one user has them all, with tokens of 2 kB, a partition takes 1,000 units a second, and
//!   the sweep has no pace.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::clock::{Clock, Stopwatch};
use broker::grant::refresh::Freshness;
use broker::grant::sweep::{Limits, sweep};
use broker::id::{InstanceId, UserId};
use broker::record::grant;
use broker::record::instance;
use broker::store::records::{Change, DUE};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use tests::broker::Broker;
use tests::client::ok;
use tests::family::{Family, Habit};
use tests::lambda::recorder::Fault;
use tests::machine::{Machine, ask_for, create};
use tests::stores::plan::{self, Plan};

/// What is made or asked at once.
const AT_ONCE: usize = 8;

/// The writes of secrets that an account has in a second (Secrets Manager quotas).
const WRITES: usize = 50;

/// The write units of a partition in a second (DynamoDB, partition limits).
const UNITS: usize = 1_000;

/// The units that a write of a grant with tokens of 2 kB takes: one for each kB of its record.
const UNITS_A_GRANT: usize = 4;

/// A grant's tokens are moved again after this, in seconds.
const MOVES_AGAIN: i64 = 900;

fn seconds(watch: Stopwatch) -> f64 {
    (watch.milliseconds() / 100.0).round() / 10.0
}

/// Counts what happens in each second.
struct Meter(Mutex<HashMap<String, (u64, usize)>>, Stopwatch);

impl Meter {
    fn new() -> Self {
        Self(Mutex::default(), Stopwatch::start())
    }

    /// Takes so much of what a place has in this second; tells whether it was there.
    fn takes(&self, place: &str, amount: usize, limit: usize) -> bool {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the seconds of a bench")]
        let now = (self.1.milliseconds() / 1_000.0) as u64;
        let mut places = self.0.lock().unwrap();
        let (second, used) = places.entry(place.to_owned()).or_default();
        if *second != now {
            (*second, *used) = (now, 0);
        }
        let fits = *used + amount <= limit;
        *used += if fits { amount } else { 0 };
        fits
    }
}

/// Secrets Manager denies writes for some seconds, on the functions.
async fn denied(count: u64, lasts: Duration) {
    let broker = Broker::start(&[]).await;
    let client = &broker.client;
    let make = |number: u64| async move {
        client.instance("infusionsoftcrm", &format!("Number {number}")).await;
    };
    stream::iter((0..count).map(make)).buffer_unordered(AT_ONCE).collect::<()>().await;
    for id in 1..=count {
        has_settled_long_ago(&broker, id).await;
        if id % 2 == 0 {
            broker.is_due(id).await;
        } else {
            broker.access_lives(id, -3_600, -1).await;
        }
    }
    let deny = |times| {
        for function in ["instances", "sweep"] {
            for action in ["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"] {
                broker.fail(function, action, Fault::Fails(400, "AccessDeniedException", times));
            }
        }
    };
    deny(usize::MAX);
    let (before, watch) = (refreshes(&broker).await, Stopwatch::start());
    let asked = AtomicUsize::new(0);
    while watch.is_before(lasts) {
        let ask = |id: u64| {
            let asked = &asked;
            async move {
                let access = client.access_token(&id.into()).await;
                assert_eq!(client.userinfo(&access).await, 200, "instance {id}");
                asked.fetch_add(1, Ordering::SeqCst);
            }
        };
        let asking = stream::iter((1..=count).step_by(2).map(ask)).buffer_unordered(AT_ONCE).collect::<()>();
        let (swept, ()) = tokio::join!(broker.sweep(), asking);
        assert!(swept);
    }
    let refreshed = refreshes(&broker).await - before;
    deny(0);
    let watch = Stopwatch::start();
    let mut passes = 0;
    while unsettled(&broker, count).await > 0 {
        passes += 1;
        assert!(passes < 10, "tokens are left in the table");
        for id in 1..=count {
            has_settled_long_ago(&broker, id).await;
        }
        assert!(broker.sweep().await);
    }
    let moved = seconds(watch);
    let force = |id: u64| async move {
        ok(client.call(Method::PUT, &format!("/instances/{id}?reAuthenticate=true"))).await;
    };
    stream::iter((1..=count).map(force)).buffer_unordered(AT_ONCE).collect::<()>().await;
    println!(
        "denied for {} s on the functions: {count} grants due, {refreshed} refreshed meanwhile, {} tokens given out; all moved \
         {moved} s after it was allowed again, 0 lost",
        lasts.as_secs(),
        asked.load(Ordering::SeqCst),
    );
    assert_eq!(refreshed, count, "each once");
}

async fn refreshes(broker: &Broker) -> u64 {
    broker.stats().await["refreshes"].as_u64().unwrap()
}

/// Has the sweep look at a grant whose tokens may move again.
async fn has_settled_long_ago(broker: &Broker, id: u64) {
    let now = Clock::System.now();
    let change = Change::default().set(DUE, now).set("settled", now - MOVES_AGAIN - 1);
    broker.registry().update(&grant::key(InstanceId(id)), change).await.unwrap();
}

async fn unsettled(broker: &Broker, count: u64) -> usize {
    let mut waiting = 0;
    for id in 1..=count {
        waiting += usize::from(broker.grant(id).await.get("sealed").is_some_and(|sealed| !sealed.is_null()));
    }
    waiting
}

/// A vendor that forgives nothing, and grants that are due, of one user.
async fn due(count: u64, padding: usize) -> (Machine, Family) {
    let machine = Machine::with("warm = true").await.settling().await;
    let family = Family::new(Habit::Strict);
    family.pad(padding);
    let books = family.clone();
    machine.vendor.answers_by(move |request| books.answer(request));
    let broker = machine.sound();
    let make = |_| async { drop(create(&broker).await.unwrap()) };
    stream::iter(0..count).map(make).buffer_unordered(AT_ONCE).collect::<()>().await;
    machine.pass(MOVES_AGAIN);
    (machine, family)
}

/// Sweeps until all tokens have moved; gives the passes and the refreshes of the first.
async fn swept(machine: &Machine, count: u64, limits: Limits, plan: impl Fn() -> Plan) -> (u64, u64) {
    let (mut passes, mut first) = (0, 0);
    loop {
        let report = sweep(&machine.planned(&plan()), &limits, &|| true).await.unwrap();
        passes += 1;
        if passes == 1 {
            first = report.refreshed;
        }
        let mut waiting = 0;
        for id in 1..=count {
            waiting += u64::from(machine.grant_of(InstanceId(id)).await.unwrap().sealed.is_some());
        }
        if waiting == 0 {
            return (passes, first);
        }
        assert!(passes < count, "{waiting} are left in the table");
        machine.pass(300);
    }
}

/// Counts the grants that give no token any more.
async fn lost(machine: &Machine, family: &Family, count: u64) -> usize {
    let (broker, mut lost) = (machine.sound(), 0);
    for id in 1..=count {
        let instance = instance::find(&machine.registry, UserId(1), InstanceId(id)).await.unwrap().unwrap();
        lost += usize::from(ask_for(&broker, &instance, Freshness::Force).await.is_err());
    }
    assert_eq!(family.reused(), 0);
    lost
}

/// Secrets Manager takes as many writes as an account has, and all grants are due at once.
async fn throttled(count: u64) {
    let (machine, family) = due(count, 0).await;
    let (meter, refused) = (Arc::new(Meter::new()), Arc::new(AtomicUsize::new(0)));
    let plan = || {
        let (meter, refused) = (Arc::clone(&meter), Arc::clone(&refused));
        Plan::by(move |_, operation| {
            let is_over = operation.is_vault_write() && !meter.takes("secrets", 1, WRITES);
            refused.fetch_add(usize::from(is_over), Ordering::SeqCst);
            is_over.then_some(plan::Fault::FailsOnce)
        })
    };
    let watch = Stopwatch::start();
    let (passes, first) = swept(&machine, count, sweep::LIMITS, plan).await;
    println!(
        "{WRITES} writes of secrets a second: {count} grants due, {first} refreshed in the first pass, all moved in {passes} \
         passes of {} s together, {} writes refused, {} lost",
        seconds(watch),
        refused.load(Ordering::SeqCst),
        lost(&machine, &family, count).await
    );
    assert_eq!((first, lost(&machine, &family, count).await), (count, 0));
}

/// One user has all grants that are due, and a partition takes as much as DynamoDB lets it.
async fn hot(count: u64) {
    let (machine, family) = due(count, 2_048).await;
    let (meter, refused) = (Arc::new(Meter::new()), Arc::new(AtomicUsize::new(0)));
    let plan = || {
        let (meter, refused) = (Arc::clone(&meter), Arc::clone(&refused));
        Plan::by(move |_, operation| {
            let is_write = operation.is_write() && operation.name.starts_with("registry");
            let is_over = is_write && !meter.takes(operation.partition, UNITS_A_GRANT, UNITS);
            refused.fetch_add(usize::from(is_over), Ordering::SeqCst);
            is_over.then_some(plan::Fault::FailsOnce)
        })
    };
    let watch = Stopwatch::start();
    let limits = Limits { per_second: None, ..sweep::LIMITS };
    let (passes, first) = swept(&machine, count, limits, plan).await;
    let took = seconds(watch);
    println!(
        "{UNITS} units a partition: {count} grants of one user due, tokens of 2 kB, {first} refreshed in the first pass; all \
         moved in {passes} passes of {took} s together, {} writes refused, {} lost",
        refused.load(Ordering::SeqCst),
        lost(&machine, &family, count).await
    );
    assert_eq!((first, lost(&machine, &family, count).await), (count, 0));
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |place: usize| arguments.get(place).and_then(|number| number.parse::<u64>().ok());
    match (arguments.first().map(String::as_str), number(1)) {
        (Some("denied"), Some(count)) => denied(count, Duration::from_secs(number(2).unwrap_or(120))).await,
        (Some("throttled"), Some(count)) => throttled(count).await,
        (Some("hot"), Some(count)) => hot(count).await,
        _ => panic!("denied GRANTS SECONDS, throttled GRANTS or hot GRANTS, not {arguments:?}"),
    }
}
