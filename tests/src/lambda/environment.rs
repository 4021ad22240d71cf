//! One execution environment: a process of the binary, and the Runtime API that it polls.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use broker::random;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// The time that a function has, in milliseconds.
const TIMEOUT: u128 = 28_000;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The time on a processor, in milliseconds.
    pub cpu: f64,
    /// The most memory that was resident, in MiB.
    pub resident: f64,
}

/// A process of a function's binary; it is killed when nobody has it any more.
pub(super) struct Process {
    child: Mutex<Child>,
    dead: watch::Sender<bool>,
}

impl Process {
    /// Freezes the process or lets it go on, as Lambda does between two requests.
    fn signal(&self, signal: Signal) {
        let child = self.child.lock().unwrap();
        if !self.is_dead() {
            // It may have ended by itself this moment, and is then a zombie, which takes signals.
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
    }

    /// Tells what the process has used so far.
    pub(super) fn usage(&self) -> Usage {
        let process = PathBuf::from(format!("/proc/{}", self.child.lock().unwrap().id()));
        let threads = std::fs::read_dir(process.join("task")).unwrap();
        let nanoseconds = threads.map(|thread| {
            let times = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            times.split(' ').next().unwrap().parse::<f64>().unwrap()
        });
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let resident: f64 = resident.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        Usage { cpu: nanoseconds.sum::<f64>() / 1e6, resident: resident / 1024.0 }
    }

    /// Tells whether the process has been killed.
    pub(super) fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Kills the process, as Lambda may at any time.
    pub(super) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        self.dead.send_replace(true);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process and the channels of its Runtime API.
pub(super) struct Environment {
    /// The process.
    pub(super) process: Arc<Process>,
    events: mpsc::Sender<Vec<u8>>,
    answers: mpsc::Receiver<Option<Value>>,
}

/// What the Runtime API's routes share.
#[derive(Clone)]
struct Api {
    process: Arc<Process>,
    events: Arc<tokio::sync::Mutex<mpsc::Receiver<Vec<u8>>>>,
    answers: mpsc::Sender<Option<Value>>,
}

impl Environment {
    /// Starts a process of the binary with these variables and nothing else.
    pub(super) async fn start(binary: &Path, variables: &BTreeMap<String, String>, log: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, receiver) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(1);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(binary)
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", binary.file_name().unwrap())
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let dead = watch::Sender::new(false);
        let (process, ended) = (pidfd_open(Pid::from_child(&child), PidfdFlags::empty()), dead.clone());
        let process = process.unwrap();
        std::thread::spawn(move || ends(&process, &ended));
        let process = Arc::new(Process { child: Mutex::new(child), dead });
        let events_of = Arc::new(tokio::sync::Mutex::new(receiver));
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .with_state(Api { process: Arc::clone(&process), events: events_of, answers: sender });
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { process, events, answers }
    }

    /// Gives the process an event and waits for its answer; nothing when it failed or died.
    pub(super) async fn invoke(&mut self, event: Vec<u8>) -> Option<Value> {
        let mut dead = self.process.dead.subscribe();
        self.events.send(event).await.ok()?;
        tokio::select! {
            answer = self.answers.recv() => answer.flatten(),
            _ = dead.wait_for(|dead| *dead) => None,
        }
    }
}

/// Waits until a process has ended, by itself too, and leaves it to be waited for.
fn ends(process: &OwnedFd, dead: &watch::Sender<bool>) {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::PidFd(process.as_fd()), ended), Err(Errno::INTR)) {}
    dead.send_replace(true);
}

/// Gives the next event. While there is none the process is frozen.
async fn next(State(api): State<Api>) -> Response {
    let mut events = api.events.lock().await;
    let waiting = events.try_recv().ok();
    let event = if waiting.is_some() {
        waiting
    } else {
        api.process.signal(Signal::STOP);
        let event = events.recv().await;
        api.process.signal(Signal::CONT);
        event
    };
    let Some(event) = event else { return StatusCode::GONE.into_response() };
    let deadline = u128::try_from(broker::clock::Clock::System.now()).unwrap() * 1_000 + TIMEOUT;
    let headers = [
        ("lambda-runtime-aws-request-id", random::id()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:test".into()),
        ("content-type", "application/json".into()),
    ];
    (headers, event).into_response()
}

async fn response(State(api): State<Api>, body: Bytes) -> StatusCode {
    let _ = api.answers.send(serde_json::from_slice(&body).ok()).await;
    StatusCode::ACCEPTED
}

async fn error(State(api): State<Api>) -> StatusCode {
    let _ = api.answers.send(None).await;
    StatusCode::ACCEPTED
}
