//! What each function weighs as Lambda sees it, next to a bare `lambda_http` program of the same build:
//! its zip, CPU and wall time from spawn to first answer, CPU of a warm request, resident memory.
//!
//! `instances` reaches Secrets Manager, DynamoDB and the vendor over TLS, all on this machine; its first
//! answer is that to `POST /instances`, with three secrets read at start. What the emulators took is left
//! out of the wall time; the vendor's share, the sandbox's, is in it. The argument names the folder of the
//! binaries; `tests/run weight` builds them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench panics to fail and prints its figures"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use broker::clock::Stopwatch;
use reqwest::{Method, RequestBuilder};
use tests::broker::Broker;
use tests::client::{API_KEY, CALLBACK, Client};
use tests::lambda::recorder::Calls;
use tests::lambda::stack::{Binaries, Stack};

const SPAWNS: usize = 15;
const WARM: u32 = 200;

/// The functions, and how many times the bare program each may weigh.
const FUNCTIONS: [(&str, f64); 4] =
    [("bare", 1.0), ("oauth-url", 1.5), ("elements", 1.5), ("instances", 6.0)];

/// What a function weighs: the medians of some spawns.
#[derive(Debug, Clone, Copy)]
struct Weight {
    zip_mib: f64,
    first_cpu_ms: f64,
    first_wall_ms: f64,
    warm_cpu_ms: f64,
    resident_mib: f64,
}

impl Weight {
    const NAMES: [&str; 5] = ["zip MiB", "first CPU ms", "first wall ms", "warm CPU ms", "resident MiB"];

    fn figures(&self) -> [f64; 5] {
        [self.zip_mib, self.first_cpu_ms, self.first_wall_ms, self.warm_cpu_ms, self.resident_mib]
    }
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let binaries = Binaries { folder: PathBuf::from(folder.unwrap()), tls: true };
    let sandbox = Broker::start(&["--log", "error"]).await;
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::of(&binaries, data.path(), &sandbox.client.base, &[]).await;
    let client = stack.client();
    println!("{:12}{}", "", Weight::NAMES.map(|name| format!("{name:>22}")).concat());
    let mut bare = None;
    for (function, limit) in FUNCTIONS {
        let weight = weigh(&stack, &client, &binaries.path(function), function).await;
        let base = *bare.get_or_insert(weight);
        let ratios: Vec<_> =
            weight.figures().iter().zip(base.figures()).map(|(figure, bare)| figure / bare).collect();
        let cell = |(figure, ratio): (&f64, &f64)| format!("{figure:>14.2} ({ratio:>4.1}x)");
        println!("{function:12}{}", weight.figures().iter().zip(&ratios).map(cell).collect::<String>());
        for (name, ratio) in Weight::NAMES.iter().zip(&ratios).filter(|(_, ratio)| **ratio > limit) {
            println!("{:12}above the aim: {name} {ratio:.1} times the bare program, not {limit}", "");
            assert!(*ratio < 3.0 * limit, "that is not noise");
        }
    }
}

async fn weigh(stack: &Stack, client: &Client, binary: &Path, function: &str) -> Weight {
    let (mut cpu, mut wall, mut resident, mut warm) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SPAWNS {
        let first = request(client, function, true).await;
        emulated(stack, function);
        stack.kill();
        stack.restart();
        let watch = Stopwatch::start();
        answered(first).await;
        wall.push(watch.milliseconds() - emulated(stack, function));
        let used = stack.usage(function);
        cpu.push(used.cpu);
        resident.push(used.resident);
        for _ in 0..WARM {
            answered(request(client, function, false).await).await;
        }
        warm.push((stack.usage(function).cpu - used.cpu) / f64::from(WARM));
    }
    Weight {
        zip_mib: zipped(binary),
        first_cpu_ms: median(cpu),
        first_wall_ms: median(wall),
        warm_cpu_ms: median(warm),
        resident_mib: median(resident),
    }
}

/// What the emulators took since this was asked last, in milliseconds.
fn emulated(stack: &Stack, function: &str) -> f64 {
    stack.calls.get(function).map_or(0.0, Calls::waited)
}

/// A function's usual request; of `instances` the first makes an instance, which is its heaviest.
async fn request(client: &Client, function: &str, first: bool) -> RequestBuilder {
    match function {
        "bare" => client.http.get(format!("{}/bare", client.base)),
        "oauth-url" => {
            let query = [("apiKey", API_KEY), ("callbackUrl", CALLBACK)];
            client.bare(Method::GET, "/elements/infusionsoftcrm/oauth/url").query(&query)
        }
        "elements" => client.bare(Method::GET, "/elements/infusionsoftcrm"),
        _ if first => {
            let code = client.code("infusionsoftcrm").await;
            client.create("infusionsoftcrm", &code, "Weighed")
        }
        _ => client.call(Method::GET, "/instances/1/access-token"),
    }
}

async fn answered(request: RequestBuilder) {
    let response = request.send().await.unwrap();
    let status = response.status();
    assert_eq!(status, 200, "{}", response.text().await.unwrap());
}

/// What a zip of a binary weighs: deflate, as `sam package` does.
fn zipped(binary: &Path) -> f64 {
    let zip = Command::new("gzip").args(["--stdout", "-6"]).arg(binary).output().unwrap();
    f64::from(u32::try_from(zip.stdout.len()).unwrap()) / f64::from(1 << 20)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
