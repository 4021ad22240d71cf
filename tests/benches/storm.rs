//! The storm: many callers ask for the token of one instance at the moment when it has expired, at a vendor
//! that rotates refresh tokens, ends the grant when an old one is used, and takes a second to answer.
//!
//! Every round has a fresh instance. Exactly one refresh a round, no failed caller, the same token for all,
//! and a grant that lives on: else it fails. `VALETKEY_STACK=lambda` has every caller in an environment of
//! its own. The argument is the number of rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use reqwest::Method;
use tests::broker::Broker;
use tests::client::outcome;
use valetkey::clock::{Clock, Stopwatch};

const CALLERS: usize = 64;

/// What the vendor takes for an answer, in milliseconds.
const LATENCY: &str = "1000";

/// How long an access token lives, in seconds: a refreshed one is fresh until the round is over.
const LIFETIME: i64 = 20;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5_usize);
    let lifetime = LIFETIME.to_string();
    let habits = ["--log", "error", "--sandbox-grace", "0", "--sandbox-access-lifetime", &lifetime];
    let broker = Broker::start(&[&habits[..], &["--sandbox-latency", LATENCY]].concat()).await;
    let mut instances = Vec::new();
    for _ in 0..rounds {
        instances.push(broker.client.instance("infusionsoftcrm", "Storm").await);
    }
    // Every environment is there before the storm begins, as in a service that is in use.
    let warm = (0..CALLERS).map(|_| outcome(broker.client.call(Method::GET, "/instances/1")));
    futures_util::future::join_all(warm).await;
    let expired = Clock::System.now() + LIFETIME + 1;
    tests::until(async || Clock::System.now() >= expired).await;
    let (mut waits, mut failures) = (Vec::new(), 0);
    let mut bare = Vec::new();
    for (round, instance) in (1..).zip(&instances) {
        let path = format!("/instances/{}/access-token", instance["id"]);
        for _ in 0..3 {
            let watch = Stopwatch::start();
            outcome(broker.client.call(Method::GET, &format!("/instances/{}", instance["id"]))).await;
            bare.push(watch.milliseconds());
        }
        let before = broker.stats().await["refreshes"].as_u64().unwrap();
        let calls = (0..CALLERS).map(|_| async {
            let watch = Stopwatch::start();
            (outcome(broker.client.call(Method::GET, &path)).await, watch.milliseconds())
        });
        let answers = futures_util::future::join_all(calls).await;
        let asked = broker.stats().await["refreshes"].as_u64().unwrap() - before;
        assert_eq!(asked, 1, "round {round}: one refresh");
        let token = &answers[0].0.1["access_token"];
        for ((status, answer), wait) in &answers {
            waits.push(*wait);
            if *status != 200 || answer["access_token"] != *token {
                failures += 1;
                println!("round {round}: {status} {answer}");
            }
        }
        let (status, _) = outcome(broker.client.call(Method::GET, &path)).await;
        assert_eq!(status, 200, "round {round}: the grant lives on");
    }
    let (p50, p99) = (percentile(&mut waits, 50), percentile(&mut waits, 99));
    println!("one read at rest takes {:.1} ms (median)", percentile(&mut bare, 50));
    println!("rounds {rounds} calls {} failures {failures} p50 {p50:.0} ms p99 {p99:.0} ms", waits.len());
    assert_eq!(failures, 0);
}

fn percentile(figures: &mut [f64], percent: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) * percent / 100]
}
