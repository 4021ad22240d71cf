//! What the tests stand on: brokers that are really started, the vendors they talk to, and the suites
//! that every implementation of a seam must pass.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test panics to fail"
)]

pub mod broker;
pub mod client;
pub mod conforming;
pub mod emulators;
pub mod family;
pub mod faults;
pub mod inside;
pub mod lambda;
pub mod machine;
pub mod oidc;
pub mod stores;
pub mod suites;
pub mod template;
pub mod tls;
pub mod told;
pub mod vendor;
pub mod visitor;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// Names the folder that cargo builds into: tests run from `<target>/<profile>/deps`.
pub fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("a test runs below the target folder").to_owned()
}

/// Names a folder that `tests/run` has filled, beside the profile's.
pub fn tool_folder(name: &str) -> PathBuf {
    let folder = profile_folder().parent().expect("the profile's folder has a parent").join(name);
    assert!(folder.exists(), "{} is missing: run tests/run first", folder.display());
    folder
}

/// How long [`until`] waits between two questions.
const INTERVAL: Duration = Duration::from_millis(5);

/// Asks every few milliseconds until the answer is yes; fails when it stays no for a minute.
pub async fn until<F: Future<Output = bool>>(mut asked: impl FnMut() -> F) {
    let answered = async {
        while !asked().await {
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), answered).await.expect("it came to pass");
}

/// The status that answers an error of the broker's, for tests without HTTP.
pub trait Status {
    /// Gives it.
    fn status(&self) -> lambda_http::http::StatusCode;
}

impl Status for ::broker::Error {
    fn status(&self) -> lambda_http::http::StatusCode {
        web::error::status(self)
    }
}
