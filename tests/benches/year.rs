//! A year of grants in a few minutes: clocks that are set, vendors and stores that fail for an hour, a day and a week,
//! stores that throttle and lose replies, processes that die at any operation.
//!
//! The vendor is strict: its refresh tokens rotate, one that is used twice ends the grant, and one that is not used
//! for 45 days ends by itself. No grant may be lost but those whose new token was never stored, since the process
//! died with the vendor's answer, or no answer came; and each of these was told. The arguments are the number of
//! instances and that of days.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use broker::Broker;
use broker::clock::Stopwatch;
use broker::events::Report;
use broker::grant::refresh::Freshness;
use broker::grant::sweep::{Limits, sweep};
use broker::id::InstanceId;
use broker::id::UserId;
use broker::record::instance::{self, Instance, State};
use secrecy::ExposeSecret;
use tests::family::{Family, Habit, Lifetimes, Trouble};
use tests::machine::{Machine, ask, ask_for, create};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;

const DAY: i64 = 86_400;

/// The clock is set on by so much, and then something happens.
const STEP: i64 = DAY / 4;

/// The callers who ask for a token at every step.
const CALLERS: u64 = 3;

/// In a thousand operations so many find a store out of reach, and so many lose their reply.
const THROTTLED: u64 = 10;
const LOST_REPLIES: u64 = 5;

/// In a thousand passes of the sweep, or calls, so many die.
const DEATHS: u64 = 30;

/// When the vendor is down: from which day, for how many steps, and how.
const OUTAGES: [(i64, i64, Trouble); 4] = [
    (40, 1, Trouble::HangsUp),
    (90, 4, Trouble::Maintenance),
    (150, 28, Trouble::Fails),
    (250, 28, Trouble::TooMany),
];

/// When a store takes no writes: from which day, for how many steps, and which.
const REFUSALS: [(i64, i64, &str); 4] =
    [(20, 1, "registry "), (60, 6, "vault "), (130, 28, "vault "), (200, 6, "registry ")];

/// Numbers that look random, and are the same in every run.
struct Dice(AtomicU64);

impl Dice {
    fn below(&self, limit: u64) -> u64 {
        let step =
            |seed: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let seed = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |seed| Some(step(seed))).unwrap();
        (step(seed) >> 33) % limit
    }
}

/// The world of the year.
struct World {
    machine: Machine,
    family: Family,
    dice: Arc<Dice>,
    /// The store that takes no writes.
    refuses: Option<&'static str>,
    count: u64,
    deaths: u64,
}

impl World {
    async fn new(count: u64) -> Self {
        let machine = Machine::with("lifetime = 3888000").await.settling().await;
        let family = Family::new(Habit::Strict);
        let clock = machine.clock.clone();
        family.lifetimes(Lifetimes { access: DAY, refresh: 45 * DAY, clock });
        let books = family.clone();
        machine.vendor.answers_by(move |request| books.answer(request));
        let dice = Arc::new(Dice(AtomicU64::new(20_261_122)));
        let world = Self { machine, family, dice, refuses: None, count, deaths: 0 };
        let broker = world.machine.sound();
        for number in 0..count {
            create(&broker).await.unwrap();
            // They were not all made on one day.
            if number % (count / 80).max(1) == 0 {
                world.machine.pass(DAY / 4);
            }
        }
        world
    }

    /// A process whose stores throttle, and which may die. Its plan tells whether it did.
    fn process(&self, operations: u64) -> (Broker, Plan) {
        let dies_at = (self.dice.below(1_000) < DEATHS).then(|| 1 + self.dice.below(operations));
        let (dice, refuses) = (Arc::clone(&self.dice), self.refuses);
        let plan = Plan::by(move |number, operation| match (dies_at, dice.below(1_000)) {
            (Some(turn), drawn) if u64::try_from(number).unwrap() == turn => {
                Some(if drawn % 2 == 0 { Fault::StopBefore } else { Fault::StopAfter })
            }
            _ if operation.is_write() && refuses.is_some_and(|store| operation.name.starts_with(store)) => {
                Some(Fault::FailsOnce)
            }
            (_, drawn) if drawn < THROTTLED => Some(Fault::FailsOnce),
            (_, drawn) if drawn < THROTTLED + LOST_REPLIES => Some(Fault::LosesReply),
            _ => None,
        });
        (self.machine.planned(&plan), plan)
    }

    async fn instance(&self, id: u64) -> Instance {
        instance::find(&self.machine.registry, UserId(1), InstanceId(id)).await.unwrap().unwrap()
    }

    /// Somebody asks for a token; whether there was one is another matter.
    async fn call(&mut self, id: u64) {
        let (broker, plan) = self.process(5);
        let instance = self.instance(id).await;
        let asked = Box::pin(async { drop(ask(&broker, &instance).await) });
        self.deaths += u64::from(plan.unless_it_stops(asked).await.is_none());
    }

    /// A pass of the sweep.
    async fn sweep(&mut self) -> Option<Report> {
        let (broker, plan) = self.process(200);
        let limits = Limits { per_second: None, ..sweep::LIMITS };
        let report = plan.unless_it_stops(sweep(&broker, &limits, &|| true)).await;
        self.deaths += u64::from(report.is_none());
        report.and_then(Result::ok)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (count, days) = (u64::from(numbers.next().unwrap_or(1_000)), numbers.next().unwrap_or(365));
    let (told, _guard) = Told::listen();
    let watch = Stopwatch::start();
    let mut world = World::new(count).await;
    let mut refreshed = 0;
    for step in 0..i64::from(days) * DAY / STEP {
        let is_on = |day: i64, steps: i64| (0..steps).contains(&(step - day * DAY / STEP));
        let outage = OUTAGES.iter().find(|(day, steps, _)| is_on(*day, *steps));
        world.family.outage(outage.map(|(_, _, trouble)| *trouble));
        world.refuses = REFUSALS.iter().find(|(day, steps, _)| is_on(*day, *steps)).map(|(.., store)| *store);
        for _ in 0..CALLERS {
            // Half of the instances are never asked for.
            let id = 1 + world.dice.below(world.count / 2);
            world.call(id).await;
        }
        refreshed += world.sweep().await.map_or(0, |report| report.refreshed);
        world.machine.pass(STEP);
    }
    // What is left is finished without further faults.
    for _ in 0..8 {
        world.machine.pass(STEP);
        world.machine.sweep().await;
    }
    let lost = lost(&world, &told).await;
    let doubts = u64::try_from(told.count("GrantInDoubt")).unwrap();
    for (what, seen, in_a_year) in
        [("deaths", world.deaths, 50), ("refreshes", refreshed, 8 * count), ("doubts", doubts, 10)]
    {
        assert!(365 * seen > u64::from(days) * in_a_year, "too few {what} for a hard time: {seen}");
    }
    println!(
        "{count} instances, {days} days, {} s: the sweep refreshed {refreshed}, {} processes died, {doubts} doubts, {lost} grants lost",
        (watch.milliseconds() / 1_000.0).round(),
        world.deaths,
    );
}

/// Looks at every instance: counts the grants that are lost, none of which could have been saved.
async fn lost(world: &World, told: &Told) -> usize {
    let doubted = told.instances("GrantInDoubt");
    let dead = told.instances("GrantDead");
    let broker = world.machine.sound();
    let mut lost = 0;
    for id in 1..=world.count {
        let instance = world.instance(id).await;
        let grant = world.machine.grant_of(InstanceId(id)).await.unwrap();
        assert_eq!((instance.state, grant.asking_owner.as_ref()), (State::Live, None), "{id}");
        let token = world.machine.tokens_of(&grant).await.refresh_token.unwrap();
        if instance.is_valid() {
            let live = ask_for(&broker, &instance, Freshness::Force).await;
            assert!(live.is_ok(), "instance {id} is called valid: {:?}", live.err());
            continue;
        }
        lost += 1;
        let newest = world.family.current(token.expose_secret()).unwrap();
        assert_ne!(newest, token.expose_secret(), "instance {id}: its newest token is stored");
        assert!(doubted.contains(&id) && dead.contains(&id), "instance {id}: it was told");
    }
    assert!(dead.len() == lost, "{} were called dead, {lost} are", dead.len());
    lost
}
