//! The callback of hosted connect: how long it remembers an app.

use broker::record::link::{self, Link};
use tests::faults::lives::callback::{come_back, link_of_app, open};
use tests::machine::Machine;
use tests::stores::plan::Plan;

#[tokio::test]
async fn an_app_that_was_read_is_remembered_for_five_minutes() {
    let (machine, plan) = (Machine::new().await, Plan::sound());
    let broker = machine.planned(&plan);
    let reusable = Link { reusable: true, ..link_of_app(&machine).await };
    link::add(&machine.registry, &reusable).await.unwrap();
    // A callback reads the link besides.
    for (seconds, read, others) in [(0, 1, 1), (299, 1, 2), (1, 2, 3)] {
        machine.pass(seconds);
        let visit = open(&machine, &reusable).await.unwrap();
        assert_eq!(come_back(&broker, &visit).await, 200);
        let reads = plan.made().into_iter().filter(|operation| *operation == "registry get").count();
        assert_eq!(reads - others, read, "after {seconds} more seconds");
    }
}
