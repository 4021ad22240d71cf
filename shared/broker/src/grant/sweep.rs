//! The sweep: what is done when nobody calls.
//!
//! Grants are refreshed before they end unused, doubts are ended, and what a crash has left is finished:
//! creations, deletions, leases. A pass goes over what is due, the longest due first. What is done, and what
//! has failed, is due again later, so the next pass goes on where this one stopped.
//!
//! Each vendor has a lane of its own: a vendor that is slow holds up its own instances alone, and one that is
//! down is asked a few times a pass. A lane begins with one instance at a time, until the vendor has answered.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};
use vendors::error::VendorError;

use crate::Broker;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::events::{self, Report};
use crate::grant::delete;
use crate::grant::refresh::{self, Kept};
use crate::grant::schedule::{self, scheduled};
use crate::record::instance::{self, Instance, State};
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, DUE, Due, Key};

/// The items that are read of an agenda at once.
const PAGE: usize = 100;

/// A vendor is left alone for the rest of a pass when it has failed so often in a row.
const DOWN: u32 = 3;

/// After so many seconds a pass begins with the next agenda of each vendor.
const TURN: Timestamp = 300;

/// A deletion that failed is tried again after this, in seconds.
const FORGET_AGAIN: Timestamp = 600;

/// How much a pass may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The instances of one vendor that are refreshed at once.
    pub at_once: usize,
    /// The instances that are begun in a second, of all vendors; `None`: as many as can be.
    pub per_second: Option<u32>,
}

/// What the lanes of a pass share.
struct Pass<'a> {
    broker: &'a Broker,
    limits: &'a Limits,
    goes_on: &'a (dyn Fn() -> bool + Sync),
    pace: Option<tokio::sync::Mutex<Interval>>,
    began: Timestamp,
    report: Mutex<Report>,
}

/// What became of an instance that was looked at.
enum Outcome {
    /// Nothing was to be done, or somebody else is at it.
    Idle,
    /// It has new tokens.
    Refreshed,
    /// A creation or deletion was finished.
    Finished,
    /// It could not be done. It has been wanted since then, if it is a refresh that is tried again.
    Failed(Error, Option<Timestamp>),
}

/// Goes over what is due, as long as `goes_on` says. What is under way then is finished: it takes as long as a
/// request at most.
pub async fn sweep(
    broker: &Broker,
    limits: &Limits,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Report, StoreError> {
    let pass = Pass {
        broker,
        limits,
        goes_on,
        pace: limits.per_second.map(|per_second| tokio::sync::Mutex::new(pace(per_second))),
        began: broker.clock.now(),
        report: Mutex::default(),
    };
    let lanes = lanes(broker);
    let swept = join_all(lanes.iter().map(|(vendor, agendas)| lane(&pass, vendor, agendas))).await;
    let report = pass.report.into_inner().unwrap_or_else(PoisonError::into_inner);
    events::swept(&report);
    swept.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(report)
}

fn pace(per_second: u32) -> Interval {
    let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// Gives the agendas of every vendor: elements that are refreshed at one address are one vendor's.
fn lanes(broker: &Broker) -> BTreeMap<String, Vec<String>> {
    let mut lanes = BTreeMap::<_, Vec<_>>::new();
    for element in broker.catalogue.elements() {
        let refresh = element.oauth2.as_ref().and_then(|oauth2| oauth2.refresh.as_ref());
        let vendor = refresh.map_or(&element.identity.key, |refresh| &refresh.endpoint.url);
        lanes.entry(vendor.clone()).or_default().extend(schedule::agendas(&element.identity.key));
    }
    lanes
}

/// How a vendor does in this pass.
struct Vendor {
    /// Whether all its instances are served at one address: where each tenant has its own, one that is down
    /// says nothing of the others.
    one_address: bool,
    answered: AtomicBool,
    failures: AtomicU32,
}

impl Vendor {
    fn is_down(&self) -> bool {
        self.one_address && self.failures.load(Ordering::SeqCst) >= DOWN
    }

    fn told(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed(Error::Vendor(cause), _) if !has_answered(cause) => {
                self.failures.fetch_add(1, Ordering::SeqCst);
            }
            Outcome::Refreshed
            | Outcome::Finished
            | Outcome::Failed(Error::GrantEnded(_) | Error::ClientRejected { .. } | Error::Vendor(_), _) => {
                self.answered.store(true, Ordering::SeqCst);
                self.failures.store(0, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

/// Tells whether a failure is about the one grant, and not about the vendor.
fn has_answered(cause: &VendorError) -> bool {
    match cause {
        VendorError::Refused { .. } => true,
        VendorError::Failed { status } => *status < 500,
        _ => false,
    }
}

/// Goes over the agendas of one vendor.
async fn lane(pass: &Pass<'_>, address: &str, agendas: &[String]) -> Result<(), StoreError> {
    let vendor = Vendor {
        one_address: !address.contains('{'),
        answered: AtomicBool::new(address.contains('{')),
        failures: AtomicU32::new(0),
    };
    // Whatever does not fit into a pass is begun with in another.
    let first = usize::try_from(pass.began / TURN).unwrap_or_default() % agendas.len().max(1);
    for agenda in agendas[first..].iter().chain(&agendas[..first]) {
        let mut last = None;
        loop {
            let page = pass.broker.registry.due(agenda, pass.began, last.as_ref(), PAGE).await?;
            let more = page.len() == PAGE;
            last = page.last().cloned();
            pass.over(&vendor, page).await;
            if !more || vendor.is_down() || !(pass.goes_on)() {
                break;
            }
        }
    }
    Ok(())
}

impl Pass<'_> {
    /// Looks at the items of a page: one by one until the vendor has answered, then some at once.
    async fn over(&self, vendor: &Vendor, page: Vec<Due>) {
        let mut items = page.into_iter();
        while !vendor.answered.load(Ordering::SeqCst) {
            let Some(due) = items.next() else { return };
            self.next(vendor, due).await;
        }
        stream::iter(items.map(|due| self.next(vendor, due)))
            .buffer_unordered(self.limits.at_once.max(1))
            .collect::<()>()
            .await;
    }

    /// Looks at an item, unless the pass ends or its vendor is down: then it stays due.
    async fn next(&self, vendor: &Vendor, due: Due) {
        if let Some(pace) = self.pace.as_ref().filter(|_| !vendor.is_down() && (self.goes_on)()) {
            pace.lock().await.tick().await;
        }
        if vendor.is_down() || !(self.goes_on)() {
            self.note(|report| report.oldest = report.oldest.max(self.began - due.at));
            return;
        }
        let outcome = visit(self.broker, &due).await.unwrap_or_else(|cause| Outcome::Failed(cause, None));
        vendor.told(&outcome);
        self.note(|report| {
            report.looked_at += 1;
            match outcome {
                Outcome::Idle => {}
                Outcome::Refreshed => report.refreshed += 1,
                Outcome::Finished => report.finished += 1,
                Outcome::Failed(cause, since) => {
                    tell(&due, &cause);
                    report.failed += 1;
                    report.oldest = report.oldest.max(since.map_or(0, |since| self.began - since));
                }
            }
        });
    }

    fn note(&self, what: impl FnOnce(&mut Report)) {
        what(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Tells what has failed and was not told by whoever failed.
fn tell(due: &Due, cause: &Error) {
    let Key { partition, sort } = &due.key;
    match cause {
        Error::Vendor(_) | Error::GrantEnded(_) | Error::ClientRejected { .. } | Error::TooOften(_) => {}
        Error::Store(StoreError::Unavailable(_)) | Error::Unkept(_) => {
            tracing::warn!(partition, sort, ?cause, "what is due was not done; it is tried again");
        }
        _ => tracing::error!(partition, sort, ?cause, "what is due cannot be done"),
    }
}

/// Does what is due of an item. Agendas lag behind, so it is read first.
async fn visit(broker: &Broker, due: &Due) -> Result<Outcome, Error> {
    let Some(item) = broker.registry.get(&due.key).await? else { return Ok(Outcome::Idle) };
    let instance: Instance = records::from_item(item)?;
    if instance.due.is_none_or(|at| at > broker.clock.now()) {
        return Ok(Outcome::Idle);
    }
    match instance.state {
        State::Live => look_after(broker, instance).await,
        State::Pending => finish(broker, &instance, delete::undo(broker, &instance)).await,
        State::Deleting => finish(broker, &instance, delete::forget(broker, &instance)).await,
    }
}

/// Finishes a deletion, or puts it off.
async fn finish(
    broker: &Broker,
    instance: &Instance,
    finishing: impl Future<Output = Result<(), Error>>,
) -> Result<Outcome, Error> {
    let Err(error) = finishing.await else { return Ok(Outcome::Finished) };
    let change = Change::when("state", json!(instance.state)).set(DUE, broker.clock.now() + FORGET_AGAIN);
    broker.registry.update(&instance::key(instance.user, instance.id), change).await?;
    Ok(Outcome::Failed(error, None))
}

/// Keeps a living grant alive, or tells that it ends.
async fn look_after(broker: &Broker, mut instance: Instance) -> Result<Outcome, Error> {
    let refresh = schedule::refresh_of(&broker.catalogue, &instance);
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= broker.clock.now());
    let mut outcome = Outcome::Idle;
    let left = instance.lease_owner.is_some() || !instance.predecessors.is_empty();
    if left || instance.valid && is_due(schedule::refresh_at(refresh, &instance)) {
        outcome = match refresh::keep(broker, &instance, Stopwatch::start()).await {
            Ok(Kept::Refreshed) => return Ok(Outcome::Refreshed),
            Ok(Kept::Idle) | Err(Error::Leased(_)) => return Ok(Outcome::Idle),
            Err(error @ Error::GrantEnded(_)) => Outcome::Failed(error, None),
            Ok(Kept::Failed(error)) | Err(error) => Outcome::Failed(
                error,
                schedule::refresh_at(refresh, &instance).filter(|at| *at <= broker.clock.now()),
            ),
        };
        match instance::find(&*broker.registry, instance.user, instance.id).await? {
            Some(found) => instance = found,
            None => return Ok(Outcome::Idle),
        }
    }
    let ended = instance.valid && is_due(schedule::end_of_final_token(&instance));
    let warned = instance.valid && !ended && is_due(schedule::warn_at(refresh, &instance));
    if ended || warned || is_due(instance.due) {
        settle(broker, &instance, ended, warned).await?;
    }
    Ok(outcome)
}

/// Writes down what was found of an instance that nobody is at, and when it is looked at again. What its owner must
/// know is told first: rather twice than never.
async fn settle(broker: &Broker, instance: &Instance, ended: bool, warned: bool) -> Result<(), Error> {
    let end = schedule::end_at(instance);
    let mut change = Change::when("state", json!(State::Live))
        .and(Condition::Equals("generation", instance.generation.into()))
        .and(Condition::Absent("lease_owner"));
    if ended {
        events::expired(instance);
        change = change.set("valid", false);
    }
    if let Some(end) = end.filter(|_| warned) {
        events::expiring(instance, end - broker.clock.now());
        change = change.set("warned", end);
    }
    let change = scheduled(broker, change, instance);
    broker.registry.update(&instance::key(instance.user, instance.id), change).await?;
    Ok(())
}
