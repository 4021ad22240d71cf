//! A broker that is really started: on one machine the binary, on a free port, with a folder of its own;
//! on Lambda the functions' binaries behind a gateway, with the AWS emulators and a sandbox beside them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use broker::clock::Clock;
use broker::id::InstanceId;
use broker::record::grant;
use broker::store::records::{Change, DUE, Item, Registry, Written};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use valetkey::store::{Database, SqliteRegistry};

use crate::client::Client;
use crate::lambda::Function;
use crate::lambda::recorder::Fault;
use crate::lambda::stack::Stack;

/// A running broker; it is killed when it is dropped.
pub struct Broker {
    /// A client that shows the first user's secrets.
    pub client: Client,
    /// Where the process for one machine has its data.
    pub data: PathBuf,
    /// What that process printed up to its first line's end.
    pub first_line: String,
    arguments: Vec<String>,
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The functions, when they are what is tested; then the process is there for its sandbox alone.
    lambda: Option<Stack>,
    _folder: TempDir,
}

/// Tells whether the functions are tested, and not the process for one machine.
#[expect(clippy::disallowed_methods, reason = "tests/run says so in the environment")]
pub fn on_lambda() -> bool {
    std::env::var("VALETKEY_STACK").is_ok_and(|stack| stack == "lambda")
}

impl Broker {
    /// Starts a broker with further arguments on a new folder.
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, arguments).await
    }

    /// Starts a broker with its data below a folder.
    pub async fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let data = folder.path().join("data");
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (child, stdout, first_line) = spawn(&data, &arguments).await;
        let mut client = Client::new(&base(&first_line), &data);
        let mut lambda = None;
        if on_lambda() {
            let stack = Stack::start(folder.path(), &client.base, &arguments).await;
            client = Client { http: client.http, ..stack.client() };
            lambda = Some(stack);
        }
        Self { client, data, first_line, arguments, child, stdout, lambda, _folder: folder }
    }

    /// Kills what is tested as SIGKILL does, in the middle of whatever it does.
    pub async fn kill(&mut self) {
        match &self.lambda {
            Some(stack) => stack.kill(),
            None => self.child.kill().await.unwrap(),
        }
    }

    /// Starts what is tested again on the same data. The process listens on another port then.
    pub async fn restart(&mut self) {
        if let Some(stack) = &self.lambda {
            stack.restart();
        } else {
            (self.child, self.stdout, self.first_line) = spawn(&self.data, &self.arguments).await;
            self.client.base = base(&self.first_line);
        }
    }

    /// Starts the process on other data, with a further argument this once.
    pub async fn restart_on(&mut self, data: PathBuf, argument: &str) {
        let arguments: Vec<_> = self.arguments.iter().cloned().chain([argument.to_owned()]).collect();
        (self.child, self.stdout, self.first_line) = spawn(&data, &arguments).await;
        self.client.base = base(&self.first_line);
        self.data = data;
    }

    /// Reads on in what the process prints, up to the line that holds `word`.
    pub async fn printed_until(&mut self, word: &str) -> String {
        let mut printed = String::new();
        while !printed.contains(word) {
            assert_ne!(self.stdout.read_line(&mut printed).await.unwrap(), 0, "{printed}");
        }
        printed
    }

    /// Asks what is tested to stop: the process by SIGTERM, environments as Lambda stops them.
    pub fn terminate(&self) {
        match &self.lambda {
            Some(stack) => stack.kill(),
            None => self.signal("TERM"),
        }
    }

    /// Sends the process a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(
            std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success()
        );
    }

    /// Waits for what is tested to end, and gives all that the process printed after its first line.
    pub async fn end(&mut self) -> (ExitStatus, String) {
        if self.lambda.is_some() {
            return (ExitStatus::default(), String::new());
        }
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.unwrap();
        (self.child.wait().await.unwrap(), rest)
    }

    /// Names the file that the log goes to.
    pub fn log_path(&self) -> PathBuf {
        self.lambda.as_ref().map_or_else(|| log_path(&self.data), |stack| stack.log.clone())
    }

    /// Gives a function.
    pub fn function(&self, name: &str) -> &Function {
        &self.lambda.as_ref().expect("on Lambda").functions[name]
    }

    /// Gives what a function has asked of AWS since this was asked last.
    pub fn calls(&self, function: &str) -> Vec<String> {
        self.lambda.as_ref().map(|stack| stack.calls[function].take()).unwrap_or_default()
    }

    /// Gives the places that a function's actions were for.
    pub fn places(&self, function: &str) -> BTreeSet<(String, String)> {
        self.lambda.as_ref().expect("on Lambda").calls[function].places()
    }

    /// Makes one of the actions that a function asks of AWS go wrong.
    pub fn fail(&self, function: &str, action: &str, fault: Fault) {
        self.lambda.as_ref().expect("on Lambda").calls[function].fail(action, fault);
    }

    /// Tells whether a function has asked AWS for this action since its calls were taken last.
    pub fn has_called(&self, function: &str, action: &str) -> bool {
        self.lambda.as_ref().expect("on Lambda").calls[function].has(action)
    }

    /// Closes every connection that a function keeps to AWS.
    pub async fn hang_up(&self, function: &str) {
        self.lambda.as_ref().expect("on Lambda").calls[function].hang_up().await;
    }

    /// Has the sweep run once on the functions; the process for one machine sweeps by itself. Tells whether it
    /// succeeded.
    pub async fn sweep(&self) -> bool {
        match &self.lambda {
            Some(stack) => stack.sweep().await,
            None => true,
        }
    }

    /// Has an instance of the first user near the end of its refresh token, and on the sweep's agenda.
    pub async fn is_due(&self, id: u64) {
        let now = Clock::System.now();
        let change = Change::default().set(DUE, now).set("refresh_expires", now);
        let written = self.registry().update(&grant::key(InstanceId(id)), change).await.unwrap();
        assert!(matches!(written, Written::Done(_)));
    }

    /// Has the access token of an instance of the first user look as if it had been issued and would expire so many
    /// seconds from now; the vendor still takes it.
    pub async fn access_lives(&self, id: u64, issued: i64, expires: i64) {
        let now = Clock::System.now();
        let change =
            Change::default().set("access_issued", now + issued).set("access_expires", now + expires);
        let written = self.registry().update(&grant::key(InstanceId(id)), change).await.unwrap();
        assert!(matches!(written, Written::Done(_)));
    }

    /// Reads the record of a grant.
    pub async fn grant(&self, id: u64) -> Item {
        self.registry().get(&grant::key(InstanceId(id))).await.unwrap().unwrap()
    }

    /// Opens the registry beside what is tested.
    pub fn registry(&self) -> Box<dyn Registry> {
        match &self.lambda {
            Some(stack) => Box::new(stack.registry.clone()),
            None => Box::new(SqliteRegistry::new(Database::open(&self.data.join("valetkey.db")).unwrap())),
        }
    }

    /// Asks the sandbox what it has seen.
    pub async fn stats(&self) -> Value {
        self.client.root("/sandbox/stats").await.json().await.unwrap()
    }
}

/// Prepares a command that runs the broker's binary.
pub fn command() -> Command {
    let binary = crate::profile_folder().join("valetkey");
    assert!(binary.exists(), "{} is missing: run `cargo build` first", binary.display());
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn spawn(data: &Path, arguments: &[String]) -> (Child, BufReader<ChildStdout>, String) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_path(data)).unwrap();
    let mut command = command();
    // Where tokens rest is for the functions to know.
    let own = arguments.iter().filter(|argument| !argument.starts_with("--token-store="));
    command.arg("--data").arg(data).args(["--port", "0"]).args(own);
    let mut child = command.stderr(log).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).await.unwrap();
    assert!(!line.is_empty(), "it did not start: {}", std::fs::read_to_string(log_path(data)).unwrap());
    (child, stdout, line)
}

fn log_path(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn base(first_line: &str) -> String {
    let words = first_line.split([' ', ',', '\n']);
    words
        .into_iter()
        .find(|word| word.starts_with("http://"))
        .expect("the first line names the address")
        .to_owned()
}
