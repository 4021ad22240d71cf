//! How long the broker takes from its start to its first answer, and an oauth/url request when warm.
//!
//! Prints figures, and judges the median start.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use broker::clock::Stopwatch;
use tests::broker::Broker;

const STARTS: usize = 15;
const CALLS: usize = 300;

/// The longest that a start may take up to its first answer, in milliseconds.
const LONGEST_START: f64 = 200.0;

#[tokio::main]
async fn main() {
    let (mut starts, mut restarts) = (Vec::new(), Vec::new());
    let mut broker = Broker::start(&[]).await;
    for _ in 0..STARTS {
        let watch = Stopwatch::start();
        broker = Broker::start(&["--log", "error"]).await;
        broker.client.oauth_url("infusionsoftcrm").await;
        starts.push(watch.milliseconds());
        broker.kill().await;
        let watch = Stopwatch::start();
        broker.restart().await;
        broker.client.oauth_url("infusionsoftcrm").await;
        restarts.push(watch.milliseconds());
    }
    let usual = report("first start to first answer", starts);
    assert!(usual < LONGEST_START, "a start must take less than {LONGEST_START} ms");
    report("later start to first answer", restarts);
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let watch = Stopwatch::start();
        broker.client.oauth_url("infusionsoftcrm").await;
        calls.push(watch.milliseconds());
    }
    report("oauth/url over HTTP, warm", calls);
    let mut made = Vec::new();
    for _ in 0..CALLS {
        let code = broker.client.code("infusionsoftcrm").await;
        let watch = Stopwatch::start();
        let answer = broker.client.create("infusionsoftcrm", &code, "Bench").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        made.push(watch.milliseconds());
    }
    report("POST /instances over HTTP, sandbox included", made);
}

fn report(what: &str, mut milliseconds: Vec<f64>) -> f64 {
    milliseconds.sort_by(f64::total_cmp);
    let (first, last) = (milliseconds[0], milliseconds[milliseconds.len() - 1]);
    let median = milliseconds[milliseconds.len() / 2];
    println!("{what}: min {first:.1} ms, median {median:.1} ms, max {last:.1} ms");
    median
}
