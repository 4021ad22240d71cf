//! The storm: many callers ask for the token of one instance at the moment when it has expired, at a vendor
//! that rotates refresh tokens, ends the grant when an old one is used, and takes a second to answer.
//!
//! Every round has a fresh instance. Exactly one refresh a round, no failed caller, the same token for all,
//! and a grant that lives on: else it fails. `VALETKEY_STACK=lambda` has every caller in an environment of
//! its own, and some of them are the sweep. The arguments are the number of rounds, the vendor, which is `sandbox` or
//! `oidc-provider`, which others wrote, the number of callers, and on Lambda where tokens rest.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use broker::clock::{Clock, Stopwatch};
use reqwest::Method;
use serde_json::Value;
use tests::broker::{Broker, on_lambda};
use tests::client::{ok, outcome, parameter};
use tests::oidc::OidcProvider;

/// How many of the environments on Lambda are the sweep's.
const SWEEPS: usize = 1;

/// What the vendor takes for an answer, in milliseconds.
const LATENCY: f64 = 1_000.0;

/// Tells how long an access token lives, in seconds: a refreshed one is fresh for half of that, until the round is over.
fn lifetime(callers: usize) -> i64 {
    if callers > 16 { 20 } else { 12 }
}

/// The broker, and the vendor that its instances are at.
struct Scene {
    broker: Broker,
    oidc: Option<OidcProvider>,
    callers: usize,
    /// How many of the callers on Lambda are the sweep.
    sweeps: usize,
}

impl Scene {
    async fn set(vendor: &str, callers: usize, home: &str) -> Self {
        let sweeps = if on_lambda() { SWEEPS } else { 0 };
        let (lifetime, latency) = (lifetime(callers), LATENCY.to_string());
        let home = format!("--token-store={home}");
        let quiet = ["--log", "error", "--sweep-every", "0", &home];
        if vendor == "oidc-provider" {
            let oidc = OidcProvider::start_with(LATENCY, lifetime).await;
            let elements = ["--elements", oidc.elements.path().to_str().unwrap()];
            let broker = Broker::start(&[&quiet[..], &elements].concat()).await;
            return Self { broker, oidc: Some(oidc), callers, sweeps };
        }
        let habits = ["--sandbox-grace", "0", "--sandbox-access-lifetime", &lifetime.to_string()];
        let habits = [&quiet[..], &habits, &["--sandbox-latency", &latency]].concat();
        Self { broker: Broker::start(&habits).await, oidc: None, callers, sweeps }
    }

    async fn instance(&self) -> Value {
        let client = &self.broker.client;
        let Some(oidc) = &self.oidc else { return client.instance("infusionsoftcrm", "Storm").await };
        let callback = oidc.consent(&client.oauth_url("oidcprovider").await).await;
        ok(client.create("oidcprovider", &parameter(&callback, "code").unwrap(), "Storm")).await
    }

    async fn refreshes(&self) -> u64 {
        match &self.oidc {
            Some(oidc) => oidc.refreshes().await,
            None => self.broker.stats().await["refreshes"].as_u64().unwrap(),
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(5_usize);
    let vendor = arguments.get(1).map_or("sandbox", String::as_str);
    let callers = arguments.get(2).map_or(64, |callers| callers.parse().unwrap());
    let home = arguments.get(3).map_or("secrets-manager", String::as_str);
    let scene = Scene::set(vendor, callers, home).await;
    let mut instances = Vec::new();
    for _ in 0..rounds {
        instances.push(scene.instance().await);
    }
    warm(&scene).await;
    let expired = Clock::System.now() + lifetime(callers) + 1;
    tests::until(async || Clock::System.now() >= expired).await;
    let (mut waits, mut failures) = (Vec::new(), 0);
    let mut bare = Vec::new();
    for (round, instance) in (1..).zip(&instances) {
        // For the sweep, too.
        scene.broker.is_due(instance["id"].as_u64().unwrap()).await;
        let before = scene.refreshes().await;
        let answers = storm(&scene, instance).await;
        assert_eq!(scene.refreshes().await - before, 1, "round {round}: one refresh");
        let token = &answers[0].1["access_token"];
        for (status, answer, wait) in &answers {
            waits.push(*wait);
            if *status != 200 || answer["access_token"] != *token {
                failures += 1;
                println!("round {round}: {status} {answer}");
            }
        }
        let (status, _) = outcome(scene.broker.client.call(Method::GET, &path(instance))).await;
        assert_eq!(status, 200, "round {round}: the grant lives on");
        bare.push(bare_reads(&scene, instance).await);
    }
    let (p50, p99) = (percentile(&mut waits, 50), percentile(&mut waits, 99));
    let calls = waits.len() + rounds * scene.sweeps;
    let bare = percentile(&mut bare, 50);
    let ratio = p99 / (LATENCY + bare);
    println!("{vendor}: {callers} reads at once take {bare:.0} ms; p99 is {ratio:.2} times vendor and reads");
    println!("rounds {rounds} calls {calls} failures {failures} p50 {p50:.0} ms p99 {p99:.0} ms");
    assert_eq!(failures, 0);
}

fn path(instance: &Value) -> String {
    format!("/instances/{}/access-token", instance["id"])
}

/// So many environments are started at once at most.
const GROUP: usize = 8;

/// Has every environment there before the storm begins, as in a service that is in use. They start in ever larger
/// groups, each of which finds the ones before it there: the emulators could not take all at once.
async fn warm(scene: &Scene) {
    let Scene { broker, callers, sweeps, .. } = scene;
    for many in (GROUP..*callers).step_by(GROUP) {
        let calls = (0..many).map(|_| outcome(broker.client.call(Method::GET, "/instances/1")));
        futures_util::future::join_all(calls).await;
    }
    let calls = (0..callers - sweeps).map(|_| outcome(broker.client.call(Method::GET, "/instances/1")));
    let sweeping = (0..*sweeps).map(|_| broker.sweep());
    futures_util::join!(futures_util::future::join_all(calls), futures_util::future::join_all(sweeping));
}

/// Measures what every caller needs at least, when the token is fresh: as many reads of it at once as there are
/// callers, in milliseconds until the last.
async fn bare_reads(scene: &Scene, instance: &Value) -> f64 {
    let (watch, path) = (Stopwatch::start(), path(instance));
    let reads = (0..scene.callers).map(|_| outcome(scene.broker.client.call(Method::GET, &path)));
    futures_util::future::join_all(reads).await;
    watch.milliseconds()
}

/// Asks for the token of an instance from everywhere at once; each answer with what it took in milliseconds.
async fn storm(scene: &Scene, instance: &Value) -> Vec<(u16, Value, f64)> {
    let Scene { broker, callers, sweeps, .. } = scene;
    let path = path(instance);
    let calls = (0..callers - sweeps).map(|_| async {
        let watch = Stopwatch::start();
        let (status, answer) = outcome(broker.client.call(Method::GET, &path)).await;
        (status, answer, watch.milliseconds())
    });
    let sweeping = (0..*sweeps).map(|_| broker.sweep());
    let (answers, swept) =
        futures_util::join!(futures_util::future::join_all(calls), futures_util::future::join_all(sweeping));
    assert!(swept.into_iter().all(|succeeded| succeeded));
    answers
}

fn percentile(figures: &mut [f64], percent: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) * percent / 100]
}
