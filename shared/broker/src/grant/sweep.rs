//! The sweep: what is done when nobody calls.
//!
//! Grants are refreshed before they end unused, refreshes whose outcome is unknown are settled, tokens move to where they
//! rest, and what a crash has left is finished: creations and deletions. A pass goes over what is due, the longest due
//! first. What is done, and what has failed, is due again later, so the next pass goes on where this one stopped.
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
use crate::grant::consent::close_slot;
use crate::grant::delete::{self, put_off, take_back};
use crate::grant::publish::{make_live, publish};
use crate::grant::refresh;
use crate::grant::take::Attempt;
use crate::grant::write;
use crate::grant::{import, reseal, rest, schedule, settle, times};
use crate::record::account::{self, Account};
use crate::record::grant::{self, Asking, Grant};
use crate::record::instance::{self, Instance, State};
use crate::store::StoreError;
use crate::store::records::{self, Condition, Due, Key};
use crate::store::retry::Deadline;

/// The items that are read of an agenda at once.
const PAGE: usize = 100;

/// A vendor is left alone for the rest of a pass when it has failed so often in a row.
const DOWN: u32 = 3;

/// After so many seconds a pass begins with the next agenda of each vendor.
const TURN: Timestamp = 300;

/// A creation or deletion that could not be finished is tried again after this, in seconds.
const FINISH_AGAIN: Timestamp = 600;

/// The items that are read from the far end of an agenda: what a wrong clock has put there would never be due.
const FAR: usize = 5;

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
    match reseal::go_on(broker, || pass.goes_on()).await {
        Ok(resealed) => pass.note(|report| report.resealed = resealed),
        Err(cause) => tracing::warn!(%cause, "records are not sealed again for now"),
    }
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

    fn note(&self, outcome: &Outcome) {
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
        VendorError::Failed { status, .. } => *status < 500,
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
        pass.correct_far_end(agenda).await?;
        let mut last = None;
        loop {
            let page = pass.broker.registry.due(agenda, pass.began, last.as_ref(), PAGE).await?;
            let more = page.len() == PAGE;
            last = page.last().cloned();
            pass.over(&vendor, page).await;
            if !more || vendor.is_down() || !pass.goes_on() {
                break;
            }
        }
    }
    Ok(())
}

impl Pass<'_> {
    /// Tells whether to begin with anything more. A table that takes no writes ends the pass.
    fn goes_on(&self) -> bool {
        (self.goes_on)() && self.broker.health.pause(self.broker.clock.now()).is_none()
    }

    /// Looks at what is due so late that no right clock can have said so.
    async fn correct_far_end(&self, agenda: &str) -> Result<(), StoreError> {
        let now = self.broker.clock.now();
        let far = self.broker.registry.farthest(agenda, FAR).await?;
        for due in far.into_iter().filter(|due| times::is_too_late(due.at, now)) {
            let Some(item) = self.broker.registry.get(&due.key).await? else { continue };
            if due.key.sort == grant::SORT {
                times::correct(self.broker, &records::from_item(item)?).await?;
            } else {
                put_off(self.broker, &records::from_item(item)?, now).await?;
            }
        }
        Ok(())
    }

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
        if let Some(pace) = self.pace.as_ref().filter(|_| !vendor.is_down() && self.goes_on()) {
            pace.lock().await.tick().await;
        }
        if vendor.is_down() || !self.goes_on() {
            self.note(|report| report.oldest = report.oldest.max(self.began - due.at));
            return;
        }
        let outcome = visit(self.broker, &due).await.unwrap_or_else(|cause| Outcome::Failed(cause, None));
        vendor.note(&outcome);
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

/// Logs what has failed and was not logged by whoever failed.
fn tell(due: &Due, cause: &Error) {
    let Key { partition, sort } = &due.key;
    match cause {
        Error::Vendor(_) | Error::GrantEnded(_) | Error::ClientRejected { .. } | Error::GrantNotSaved(_) => {}
        Error::Store(cause) if cause.is_temporary() => {
            tracing::warn!(partition, sort, ?cause, "what is due was not done; it is tried again");
        }
        Error::Paused(_) | Error::RefreshUnderWay(_) | Error::Incomplete(_) => {
            tracing::warn!(partition, sort, ?cause, "what is due was not done; it is tried again");
        }
        _ => tracing::error!(partition, sort, ?cause, "what is due cannot be done"),
    }
}

/// Does what is due of an item. Agendas lag behind, so it is read first.
async fn visit(broker: &Broker, due: &Due) -> Result<Outcome, Error> {
    let Some(item) = broker.registry.get(&due.key).await? else { return Ok(Outcome::Idle) };
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= broker.clock.now());
    let deadline = broker.deadline(Stopwatch::start());
    if due.key.sort == grant::SORT {
        let grant: Grant = records::from_item(item)?;
        return if is_due(grant.due) {
            visit_grant(broker, grant, deadline).await
        } else {
            Ok(Outcome::Idle)
        };
    }
    let instance: Instance = records::from_item(item)?;
    if !is_due(instance.due) {
        return Ok(Outcome::Idle);
    }
    match instance.state {
        State::Live => close_slot(broker, &instance).await.map(|()| Outcome::Finished),
        State::Pending => finish(broker, &instance, complete(broker, &instance, deadline)).await,
        State::Deleting => finish(broker, &instance, delete::go_on(broker, &instance)).await,
    }
}

/// Finishes what was begun, or puts it off. What has to wait for others has said until when.
async fn finish(
    broker: &Broker,
    instance: &Instance,
    finishing: impl Future<Output = Result<bool, Error>>,
) -> Result<Outcome, Error> {
    match finishing.await {
        Ok(true) => Ok(Outcome::Finished),
        Ok(false) => Ok(Outcome::Idle),
        Err(error) => {
            put_off(broker, instance, broker.clock.now() + FINISH_AGAIN).await?;
            Ok(Outcome::Failed(error, None))
        }
    }
}

/// Makes an instance live whose grant is there, and removes one without: whoever was making it has certainly ended.
async fn complete(broker: &Broker, pending: &Instance, deadline: Deadline) -> Result<bool, Error> {
    if broker.holds(pending.id) {
        return Ok(false);
    }
    let found = broker.registry.get(&grant::key(pending.id)).await?;
    let grant = found.map(records::from_item::<Grant>).transpose()?;
    match grant {
        Some(grant) if grant.state == grant::State::Live && grant.is_imported() && grant.refreshable => {
            import::go_on(broker, pending, None, deadline).await?;
        }
        Some(grant) if grant.state == grant::State::Live => {
            let told = rest::open(broker, &grant).await?.map(|set| set.told).unwrap_or_default();
            make_live(broker, pending, &grant, &told, deadline).await?;
        }
        _ if pending.imported => {
            delete::bar(broker, pending).await?;
            take_back(broker, pending, Instance::is_pending()).await?;
        }
        _ => {
            // First: rather twice than never.
            events::lost(pending);
            delete::discard(broker, pending).await?;
        }
    }
    Ok(true)
}

async fn visit_grant(broker: &Broker, grant: Grant, deadline: Deadline) -> Result<Outcome, Error> {
    // The instance is read after the grant was seen: it is made before, and a live one is never removed.
    let instance = broker.registry.get(&instance::key(grant.user, grant.instance)).await?;
    match instance.map(records::from_item::<Instance>).transpose()? {
        None => delete::remove_orphan(broker, &grant).await.map(|()| Outcome::Finished),
        Some(instance) if instance.state == State::Live => {
            look_after(broker, Account::new(instance, grant), deadline).await
        }
        // Its own time will come.
        Some(_) => reschedule(broker, &grant).await.map(|()| Outcome::Idle),
    }
}

/// Has the sweep look at a grant at its next time.
async fn reschedule(broker: &Broker, grant: &Grant) -> Result<(), Error> {
    let state = Condition::Equals("state", json!(grant.state));
    let as_read = [state].into_iter().chain(grant.tokens_as_read()).chain(grant.asking_as_read());
    let change = write::change(broker, grant, grant.clone(), as_read)?;
    if !change.is_empty() {
        let _ = write::send(broker, grant, change).await?;
    }
    Ok(())
}

/// Keeps a living grant alive, or says that it ends.
async fn look_after(broker: &Broker, mut account: Account, deadline: Deadline) -> Result<Outcome, Error> {
    if times::correct(broker, &account.grant).await? {
        account = account::find_again(&*broker.registry, &account).await?;
    }
    if account.is_dead() {
        publish(broker, &account.grant).await?;
        return Ok(Outcome::Idle);
    }
    let mut outcome = Outcome::Idle;
    if wants_refresh(broker, &account.grant) {
        outcome = refreshed(broker, &account, deadline).await?;
        account = account::find_again(&*broker.registry, &account).await?;
    }
    if account.listed.is_valid(account.instance.number) == account.is_dead() {
        publish(broker, &account.grant).await?;
    }
    let settled = settle::move_tokens(broker, &account.grant, deadline).await;
    if let Ok(Some(moved)) = settled {
        account.grant = moved;
    }
    warn(broker, &account).await?;
    Ok(outcome)
}

/// Tells whether a vendor is to be asked: a refresh is due, its outcome is not known, or the settings have changed since
/// the vendor has refused.
fn wants_refresh(broker: &Broker, grant: &Grant) -> bool {
    let (now, how) = (broker.clock.now(), schedule::refresh_of(&broker.catalogue, grant));
    if how.is_none() || !grant.refreshable {
        return false;
    }
    match grant.asking(now) {
        Asking::Running => false,
        Asking::Ended => schedule::takeover_at(grant, rest::may_hold_more(broker, grant)) <= now,
        Asking::Nobody => {
            let wanted = schedule::refresh_at(how, grant).is_some_and(|at| at <= now);
            wanted || grant.refused.is_some()
        }
    }
}

async fn refreshed(broker: &Broker, account: &Account, deadline: Deadline) -> Result<Outcome, Error> {
    let how = schedule::refresh_of(&broker.catalogue, &account.grant);
    let now = broker.clock.now();
    let wanted = schedule::refresh_at(how, &account.grant).filter(|at| *at <= now);
    Ok(match refresh::attempt(broker, account, deadline).await {
        Ok(Attempt::Refreshed(_)) => Outcome::Refreshed,
        Ok(Attempt::Busy) => Outcome::Idle,
        Ok(Attempt::Ended) => Outcome::Failed(Error::GrantEnded(account.instance.id), None),
        Ok(Attempt::Kept(error)) | Err(error) => Outcome::Failed(error, wanted),
    })
}

/// Warns of an end that nothing but a new consent can put off, finds a token that has expired for good, and says when to
/// look at the grant next. What its owner must know is reported first: rather twice than never.
async fn warn(broker: &Broker, account: &Account) -> Result<(), Error> {
    let (grant, now) = (&account.grant, broker.clock.now());
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let mut after = grant.clone();
    if is_due(schedule::end_of_final_token(grant)) {
        after.refused = Some(account.instance.number);
    } else if is_due(schedule::warn_at(schedule::refresh_of(&broker.catalogue, grant), grant))
        && let Some(end) = schedule::end_at(grant)
    {
        events::expiring(grant, end - now);
        after.warned = Some(end);
    } else if !is_due(grant.due) {
        return Ok(());
    }
    let as_read = [Grant::is_live()].into_iter().chain(grant.tokens_as_read()).chain(grant.asking_as_read());
    let change = write::change(broker, grant, after, as_read)?;
    if let Some(written) = write::send(broker, grant, change).await?.made()
        && written.refused.is_some()
    {
        publish(broker, &written).await?;
    }
    Ok(())
}
