//! What goes wrong with the operations of one process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use broker::store::StoreError;
use tokio::sync::{Notify, watch};

use super::{Hook, Operation, Reply};

/// What goes wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process stops before the operation is made: it is dead, or stalls until it is woken.
    StopBefore,
    /// The process stops when it is made and before it is answered.
    StopAfter,
    /// The store is out of reach, once.
    FailsOnce,
    /// The operation is made, and the store says that it is out of reach, once.
    LosesReply,
    /// The store refuses access from then on.
    Fails,
    /// The reply is lost, and the SDK makes the operation once more.
    Repeats,
}

/// The operations of one process on both stores, in one count, and what goes wrong with them.
#[derive(Clone)]
pub struct Plan(Arc<Planned>);

type Choice = dyn Fn(usize, &Operation<'_>) -> Option<Fault> + Send + Sync;

struct Planned {
    fault: Box<Choice>,
    made: Mutex<Vec<&'static str>>,
    stopped: watch::Sender<bool>,
    stops: Notify,
}

impl Plan {
    /// Plans faults by an operation's number, from 1, and the operation.
    pub fn by(fault: impl Fn(usize, &Operation<'_>) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let (made, stopped, stops) = (Mutex::default(), watch::Sender::new(false), Notify::new());
        Self(Arc::new(Planned { fault: Box::new(fault), made, stopped, stops }))
    }

    /// Plans no fault.
    pub fn sound() -> Self {
        Self::by(|_, _| None)
    }

    /// Plans that the reply to every write is lost, and each is made twice.
    pub fn lossy() -> Self {
        Self::by(|_, operation| operation.is_write().then_some(Fault::Repeats))
    }

    /// Plans a fault at the operation of that number, from 1.
    pub fn nth(turn: usize, fault: Fault) -> Self {
        Self::by(move |number, _| (number == turn || fault == Fault::Fails && number > turn).then_some(fault))
    }

    /// Plans a fault at the operation of that name when it comes for that time, from 1.
    pub fn at(name: &'static str, turn: usize, fault: Fault) -> Self {
        let (begins, count) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
        Self::by(move |number, operation| {
            if operation.name == name && count.fetch_add(1, Ordering::SeqCst) + 1 == turn {
                begins.store(number, Ordering::SeqCst);
            }
            let begins = begins.load(Ordering::SeqCst);
            (number == begins || fault == Fault::Fails && number > begins).then_some(fault)
        })
    }

    /// Plans a fault at the operation of that name about that kind of record, when it comes for that time, from 1. The
    /// store takes none of that name and kind any more when the fault is for good.
    pub fn at_of(name: &'static str, kind: &'static str, turn: usize, fault: Fault) -> Self {
        let count = AtomicUsize::new(0);
        Self::by(move |_, operation| {
            if operation.name != name || !operation.of.starts_with(kind) {
                return None;
            }
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            (number == turn || fault == Fault::Fails && number > turn).then_some(fault)
        })
    }

    /// Runs what a process does until the process stops in it.
    pub async fn stops_in<T>(&self, doing: impl Future<Output = T>) {
        let done = self.unless_it_stops(Box::pin(doing)).await;
        assert!(done.is_none(), "it goes on after {:?}", self.made());
    }

    /// Runs what a process does, unless it stops in it.
    pub async fn unless_it_stops<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.stops.notified() => None,
            done = doing => Some(done),
        }
    }

    /// Lets a process that has stopped go on where it stood.
    pub fn wake(&self) {
        self.0.stopped.send_replace(false);
    }

    /// Names the operations that were begun, in their order.
    pub fn made(&self) -> Vec<&'static str> {
        self.0.made.lock().unwrap().clone()
    }

    async fn stop(&self) {
        self.0.stopped.send_replace(true);
        self.0.stops.notify_one();
        self.goes_on().await;
    }

    /// Waits as long as the process has stopped: nothing of it goes on.
    async fn goes_on(&self) {
        let _ = self.0.stopped.subscribe().wait_for(|stopped| !stopped).await;
    }
}

fn out_of_reach<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("planned".into()))
}

#[async_trait]
impl Hook for Plan {
    type Note = Option<Fault>;

    async fn before(&self, operation: &Operation<'_>) -> Result<Option<Fault>, StoreError> {
        self.goes_on().await;
        let number = {
            let mut made = self.0.made.lock().unwrap();
            made.push(operation.name);
            made.len()
        };
        let fault = (self.0.fault)(number, operation);
        match fault {
            Some(Fault::StopBefore) => self.stop().await,
            Some(Fault::FailsOnce) => return out_of_reach(),
            Some(Fault::Fails) => return Err(StoreError::Denied("planned".into())),
            _ => {}
        }
        Ok(fault)
    }

    async fn after(&self, _: &Operation<'_>, fault: Option<Fault>, _: bool) -> Result<Reply, StoreError> {
        self.goes_on().await;
        match fault {
            Some(Fault::StopAfter) => self.stop().await,
            Some(Fault::LosesReply) => return out_of_reach(),
            Some(Fault::Repeats) => return Ok(Reply::IsLost),
            _ => {}
        }
        Ok(Reply::Arrives)
    }
}
