//! The sweep: 10,000 grants of five vendors are due at once; one vendor is slow, one is down.
//!
//! In one pass all that can be refreshed are, no vendor is asked for more at once than the limit, the one that is
//! down is asked a few times, and memory does not grow with what is due: else it fails. The argument is the
//! number of grants.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use broker::Broker;
use broker::clock::Stopwatch;
use broker::grant::sweep::{Limits, sweep};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tests::machine::{Machine, code, create_at};
use tokio::net::TcpListener;
use vendors::catalogue::{Catalogue, read_folder};

/// How long the slow vendor takes to answer a refresh.
const SLOW: Duration = Duration::from_millis(300);

/// How long the refresh tokens live, in seconds.
const LIFE: i64 = 3_888_000;

/// The instances that are made at once.
const AT_ONCE: usize = 16;

/// A vendor, and what it sees.
#[derive(Default)]
struct Vendor {
    latency: Duration,
    now: AtomicUsize,
    most: AtomicUsize,
    refreshed: AtomicUsize,
}

async fn token(State(vendor): State<Arc<Vendor>>, body: String) -> Json<Value> {
    let refreshing = body.contains("grant_type=refresh_token");
    let now = vendor.now.fetch_add(1, Ordering::SeqCst) + 1;
    if refreshing {
        vendor.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(vendor.latency).await;
        vendor.refreshed.fetch_add(1, Ordering::SeqCst);
    }
    vendor.now.fetch_sub(1, Ordering::SeqCst);
    let refresh_token = broker::random::id();
    Json(json!({"access_token": "access", "refresh_token": refresh_token, "expires_in": 86_400}))
}

/// Starts a vendor and describes it as an element.
async fn start(folder: &std::path::Path, number: usize, latency: Duration) -> (Arc<Vendor>, impl Fn()) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let vendor = Arc::new(Vendor { latency, ..Vendor::default() });
    let routes = Router::new().route("/token", post(token)).with_state(Arc::clone(&vendor));
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let descriptor = include_str!("../src/vendor.toml")
        .replace("[oauth2.refresh]\n", &format!("[oauth2.refresh]\nlifetime = {LIFE}\n"))
        .replace("http://127.0.0.1:0", &address)
        .replace("\"faulty\"", &format!("\"vendor{number}\""))
        .replace("900002", &format!("90010{number}"));
    std::fs::write(folder.join(format!("vendor{number}.toml")), descriptor).unwrap();
    (vendor, move || serving.abort())
}

/// Tells how much memory is resident, or was at most since that was forgotten, in MiB.
fn resident(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

#[tokio::main]
async fn main() {
    let total = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000_usize);
    let (machine, folder) = (Machine::new().await, tempfile::tempdir().unwrap());
    let (mut vendors, mut stop_last): (Vec<_>, Option<Box<dyn Fn()>>) = (Vec::new(), None);
    for number in 0..5 {
        let (vendor, stop) =
            start(folder.path(), number, if number == 3 { SLOW } else { Duration::ZERO }).await;
        vendors.push(vendor);
        stop_last = Some(Box::new(stop));
    }
    let catalogue = Catalogue::default().with(read_folder(folder.path()).unwrap());
    let broker = Broker { catalogue: Arc::new(catalogue), ..machine.sound() };
    let make = |number: usize| {
        let broker = &broker;
        async move {
            create_at(broker, &format!("vendor{}", number % 5), code()).await.unwrap();
        }
    };
    stream::iter((0..total).map(make)).buffer_unordered(AT_ONCE).collect::<()>().await;
    println!("{total} instances were made");

    machine.pass(LIFE * 61 / 100);
    stop_last.unwrap()();
    // Forget how much was resident at most.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, watch) = (resident("VmRSS:"), Stopwatch::start());
    let limits = Limits { per_second: None, ..sweep::LIMITS };
    let report = sweep(&broker, &limits, &|| true).await.unwrap();
    let (seconds, grown) = (watch.milliseconds() / 1_000.0, resident("VmHWM:") - before);

    for (number, vendor) in vendors.iter().enumerate() {
        let (refreshed, most) = (vendor.refreshed.load(Ordering::SeqCst), vendor.most.load(Ordering::SeqCst));
        println!("vendor {number}: {refreshed} refreshed, at most {most} at once");
        assert!(most <= limits.at_once, "bounded concurrency");
        assert_eq!(refreshed, if number == 4 { 0 } else { total / 5 }, "vendor {number}");
    }
    println!("{report:?}");
    println!(
        "a pass of {seconds:.1} s: {:.0} refreshes a second, {grown:.1} MiB more at most",
        f64::from(u32::try_from(report.refreshed).unwrap()) / seconds
    );
    assert_eq!((report.failed, report.refreshed), (3, u64::try_from(total / 5 * 4).unwrap()));
    assert!(report.oldest > 0, "what is left is told");
    assert!(grown < 32.0, "memory is bounded");
}
