//! What a request costs inside the process: the redirect URL, an instance made (with a vendor that answers
//! at once), and a list of 100 instances among more and more of other users', whose curve must be flat.

#![expect(clippy::unwrap_used, clippy::missing_docs_in_private_items, reason = "a bench panics to fail")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tests::client::{API_KEY, API_SECRET, CALLBACK};
use tests::inside::Inside;
use tests::vendor::Vendor;
use tokio::runtime::Runtime;
use valetkey::store::Database;
use vendors::catalogue::{Catalogue, read_folder};
use vendors::client::request::{Limits, Sender};

const GRANTED: &str = r#"{"access_token":"a","refresh_token":"r","token_type":"bearer","expires_in":3600}"#;

/// How many instances the caller has, in every list.
const OWN: usize = 100;

fn body() -> Value {
    json!({
        "element": {"key": "faulty"}, "providerData": {"code": "c"}, "name": "Bench",
        "configuration": {"oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET, "oauth.callback.url": CALLBACK},
    })
}

/// The functions over a vendor that answers at once.
async fn inside() -> (Vendor, Inside) {
    let vendor = Vendor::start().await;
    vendor.answers("200 OK", "", GRANTED);
    let catalogue = Catalogue::built_in().with(read_folder(vendor.elements.path()).unwrap());
    (vendor, Inside::new(catalogue, Sender::new(Limits::default()).unwrap()))
}

fn redirect_url(criterion: &mut Criterion) {
    let (runtime, path) = (
        Runtime::new().unwrap(),
        format!("/elements/infusionsoftcrm/oauth/url?apiKey={API_KEY}&callbackUrl={CALLBACK}&state=s"),
    );
    let inside = Inside::of(Catalogue::built_in());
    criterion.bench_function("oauth/url", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(inside.send("GET", &path, None)).0, 200));
    });
}

fn creation(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (_vendor, inside) = runtime.block_on(inside());
    let body = body().to_string();
    criterion.bench_function("POST /instances", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(inside.send("POST", "/instances", Some(&body))).0, 200));
    });
}

/// Copies an instance for other users, this often.
fn crowd(inside: &Inside, others: usize) {
    let path = inside.folder().join("valetkey.db");
    drop(Database::open(&path).unwrap());
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    let copied: String = transaction
        .query_row("SELECT attributes FROM items WHERE sort LIKE 'instance#%' LIMIT 1", [], |row| row.get(0))
        .unwrap();
    {
        let mut insert = transaction
            .prepare("INSERT INTO items (partition, sort, attributes) VALUES (?1, ?2, ?3)")
            .unwrap();
        for number in 0..others {
            // A thousand instances a user.
            let (user, id) = (1_000_000 + number / 1_000, 1_000_000 + number);
            insert.execute(params![format!("user#{user}"), format!("instance#{id:016}"), copied]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn list(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("GET /instances, 100 among");
    group.sample_size(20);
    // Criterion's --test runs everything once: to fill the largest table would take far longer.
    let sizes: &[usize] = if std::env::args().any(|argument| argument == "--test") {
        &[1_000, 100_000]
    } else {
        &[1_000, 100_000, 1_000_000]
    };
    for &total in sizes {
        let (_vendor, inside) = runtime.block_on(inside());
        let body = body().to_string();
        for _ in 0..OWN {
            assert_eq!(runtime.block_on(inside.send("POST", "/instances", Some(&body))).0, 200);
        }
        crowd(&inside, total - OWN);
        group.bench_function(BenchmarkId::from_parameter(total), |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(inside.send("GET", "/instances", None)).0, 200));
        });
    }
    group.finish();
}

criterion_group!(benches, redirect_url, creation, list);
criterion_main!(benches);
