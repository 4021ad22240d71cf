//! One process is struck, and others come after it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use broker::clock::Timestamp;

use super::lives::{Answer, Life};
use super::world::World;
use crate::family::{Family, Habit, Trouble};
use crate::stores::Operation;
use crate::stores::plan::{Fault, Plan};

/// What strikes a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Nothing.
    None,
    /// A fault of a store at the operation of this number, or a death.
    Store(usize, Fault),
    /// It stops there, and goes on while nobody takes it for dead.
    Slow(usize, Fault),
    /// It stops there, and goes on when others have taken it for dead.
    Stall(usize, Fault),
    /// The replies to all writes are lost, and the SDK makes each twice.
    LostReplies,
    /// Trouble with the vendor's answer.
    Vendor(Trouble),
}

/// Who comes first after the process was struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// Somebody who calls, at once, and again when it may help.
    Caller,
    /// The sweep.
    Sweep,
}

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What strikes.
    pub strike: Strike,
    /// Who comes first then.
    pub first: First,
    /// What the vendor does with refresh tokens.
    pub habit: Habit,
    /// By how many seconds the clocks of others differ.
    pub skew: i64,
    /// Whether tokens rest in Secrets Manager.
    pub settles: bool,
}

/// An operation that a process began.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its name, and the kind of record that it was about.
    pub name: String,
    /// How often the process had asked the vendor before.
    pub asked: usize,
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// The operations that the process began.
    pub operations: Vec<Begun>,
    /// What it was answered, unless it was stopped.
    pub answer: Option<Answer>,
    /// The metrics that it told.
    pub told: Vec<String>,
    /// What it has left.
    pub left: String,
    /// What whoever called next was answered.
    pub next: String,
    /// What the sweep did.
    pub swept: String,
}

impl Case {
    /// A scenario at a strict vendor, with right clocks.
    pub fn of(strike: Strike, first: First) -> Self {
        Self { strike, first, habit: Habit::Strict, skew: 0, settles: false }
    }

    /// Plans what strikes, and notes the operations.
    fn plan(&self, vendor: Family, begun: Arc<Mutex<Vec<Begun>>>) -> Plan {
        let (strike, before) = (self.strike, vendor.asked());
        Plan::by(move |number, operation| {
            begun.lock().unwrap().push(Begun { name: named(operation), asked: vendor.asked() - before });
            match strike {
                Strike::Store(turn, fault) | Strike::Slow(turn, fault) | Strike::Stall(turn, fault) => {
                    (number == turn || number > turn && fault == Fault::Fails).then_some(fault)
                }
                Strike::LostReplies => operation.is_write().then_some(Fault::Repeats),
                Strike::None | Strike::Vendor(_) => None,
            }
        })
    }

    fn number(&self) -> usize {
        match self.strike {
            Strike::Store(turn, _) | Strike::Slow(turn, _) | Strike::Stall(turn, _) => turn,
            _ => 0,
        }
    }

    /// Runs the scenario, and checks what must hold of every life.
    #[expect(clippy::print_stdout, reason = "the last line of a test that fails is the scenario")]
    pub async fn run<L: Life>(&self) -> Outcome {
        println!("{}: {self:?}", L::TITLE);
        let mut world = World::new(self.habit, self.settles).await;
        let life = L::set_up(&world).await;
        let told = world.told_since(0).len();
        let (before, begun) = (world.machine.asked().0, Arc::default());
        if let Strike::Vendor(trouble) = self.strike {
            world.family.trouble(trouble);
        }
        let plan = self.plan(world.family.clone(), Arc::clone(&begun));
        let app = world.machine.planned(&plan);
        let mut acting = Some(Box::pin(life.act(&app)));
        let answer = plan.unless_it_stops(acting.as_mut().unwrap()).await;
        if answer.is_some() || matches!(self.strike, Strike::Store(..)) {
            acting = None;
        }
        let mut asked = world.machine.asked().0 - before;
        let operations = begun.lock().unwrap().clone();
        assert!(operations.len() >= self.number(), "it is not struck: {operations:?}");
        let (told, left) = (world.told_since(told), world.left(&life).await);
        world.is_struck();

        let first = self.others_come_at_once(&world, &life).await;
        if matches!(self.strike, Strike::Slow(..)) {
            asked += wakes(&world, &plan, acting.take()).await;
        }
        let may_end = self.habit == Habit::Strict && world.lacks_newest_token().await;
        let mut next = String::new();
        if let Some(first) = first {
            next = self.callers_come_again(&world, &life, &first).await;
            next.insert_str(0, &first.words);
        }
        let swept = world.sweep_all(&life, self.skew).await;
        if matches!(self.strike, Strike::Stall(..)) {
            asked += wakes(&world, &plan, acting.take()).await;
            world.sweep_all(&life, 0).await;
        }
        assert!(asked <= 1, "the process asks the vendor {asked} times");
        world.ends_well(may_end).await;
        Outcome { operations, answer, told, left, next, swept }
    }

    /// Others come while the process may be alive: callers get an answer, and the sweep leaves alone what is held.
    async fn others_come_at_once<L: Life>(&self, world: &World, life: &L) -> Option<Answer> {
        world.machine.pass(1);
        let (left, held) = (world.left(life).await, world.sweep_is_due().await.is_some());
        let mut next = None;
        if self.first == First::Caller {
            next = Some(life.next(world, &world.machine.sound()).await);
        } else {
            world.sweep_once(self.skew).await;
            assert!(!held || world.left(life).await == left, "the process may be alive");
        }
        if held || self.first == First::Caller {
            world.serves().await;
        }
        next
    }

    /// Callers come again when whoever was asking has certainly ended, and when they were told to. Says what they are
    /// answered at last.
    async fn callers_come_again<L: Life>(&self, world: &World, life: &L, first: &Answer) -> String {
        let now = world.machine.clock.now();
        let told = |answer: &Answer| answer.retry_after.map(|after| Timestamp::try_from(after).unwrap());
        let mut again = world.asking_ends().await.or(told(first).map(|after| now + after));
        let mut last = None;
        while let Some(at) = again {
            world.machine.pass(at - world.machine.clock.now());
            let answer = life.next(world, &world.machine.skewed(self.skew)).await;
            again = told(&answer).map(|after| at + after);
            last = Some(format!("; {}{}", world.after(), answer.words));
        }
        last.unwrap_or_default()
    }
}

/// Names an operation, and the kind of record that it is about.
fn named(operation: &Operation<'_>) -> String {
    match (operation.name, operation.of.split('#').next().unwrap_or_default()) {
        (name @ ("registry get" | "registry insert" | "registry update" | "registry remove"), kind) => {
            format!("`{name}`: {kind}")
        }
        (name, _) => format!("`{name}`"),
    }
}

/// Lets a process go on, if it has stopped; tells how often it asks the vendor then.
async fn wakes(world: &World, plan: &Plan, acting: Option<Pin<Box<impl Future<Output = Answer>>>>) -> usize {
    let before = world.machine.asked().0;
    if let Some(acting) = acting {
        plan.wake();
        acting.await;
    }
    world.machine.asked().0 - before
}
