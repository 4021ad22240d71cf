//! The callback of hosted connect: who owns what it made, and how long it remembers an app.

use broker::id::UserId;
use broker::record::link::{self, Link};
use broker::record::user;
use tests::faults::lives::callback::{come_back, link, link_of_app, open, visit};
use tests::machine::Machine;
use tests::stores::plan::{Fault, Plan};

/// Longer than a creation is waited for.
const UNFINISHED: i64 = 3_700;

#[tokio::test]
async fn what_a_link_began_is_undone_when_its_owner_is_gone() {
    let (machine, plan) = (Machine::new().await, Plan::at("vault create", 1, Fault::StopAfter));
    let visit = visit(&machine, link(&machine).await).await;
    plan.stops_in(come_back(&machine.planned(&plan), &visit)).await;
    user::remove(&machine.registry, UserId(1)).await.unwrap();
    machine.pass(UNFINISHED);
    machine.sweep().await;
    assert_eq!((machine.asked(), machine.record().await.is_none()), ((1, 1), true), "it is revoked");
}

#[tokio::test]
async fn an_app_that_was_read_is_remembered_for_five_minutes() {
    let (machine, plan) = (Machine::new().await, Plan::sound());
    let broker = machine.planned(&plan);
    let reusable = Link { reusable: true, ..link_of_app(&machine).await };
    link::add(&machine.registry, &reusable).await.unwrap();
    for (seconds, read) in [(0, 1), (299, 1), (1, 2)] {
        machine.pass(seconds);
        let visit = open(&machine, &reusable).await.unwrap();
        assert_eq!(come_back(&broker, &visit).await, 200);
        let reads = plan.made().into_iter().filter(|operation| *operation == "vault get").count();
        assert_eq!(reads, read, "after {seconds} more seconds");
    }
}
