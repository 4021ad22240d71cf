//! Lambda and API Gateway on this machine: the real binaries behind the Runtime API, HTTP in front.
//!
//! An environment answers one request at a time and is frozen between two; when all are busy another is
//! started. The gateway's payload is that of HTTP APIs, version 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>),
//! the other side that of <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

pub mod environment;
mod gateway;
pub mod recorder;
pub mod stack;
pub mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use environment::{Environment, Process, Usage};

/// One function: its binary, its variables, and the environments that run it now.
pub struct Function {
    binary: PathBuf,
    variables: BTreeMap<String, String>,
    log: PathBuf,
    environments: Mutex<Environments>,
}

/// The environments of one function.
#[derive(Default)]
struct Environments {
    /// Those that wait for a request.
    idle: Vec<Environment>,
    /// The processes of all.
    processes: Vec<Arc<Process>>,
    /// Whether the function is down: killed, and not to be started again yet.
    down: bool,
}

/// What became of an invocation.
#[derive(Debug)]
pub enum Invoked {
    /// The function's response, as JSON.
    Answered(serde_json::Value),
    /// The function failed, or its process died.
    Failed,
}

impl Function {
    /// Gives a function's binary its variables; its log lines are appended to `log`.
    pub fn new(binary: PathBuf, variables: BTreeMap<String, String>, log: PathBuf) -> Self {
        assert!(binary.exists(), "{} is missing: build it first", binary.display());
        Self { binary, variables, log, environments: Mutex::default() }
    }

    /// Gives the binary and the variables that it is started with.
    pub fn deployed(&self) -> (&Path, &BTreeMap<String, String>) {
        (&self.binary, &self.variables)
    }

    /// Makes the same function with another value of one variable, and with a log of its own.
    #[must_use]
    pub fn with(&self, name: &str, value: &str, log: PathBuf) -> Self {
        let mut variables = self.variables.clone();
        variables.insert(name.to_owned(), value.to_owned());
        Self::new(self.binary.clone(), variables, log)
    }

    /// Invokes the function in an idle environment, or in a new one.
    pub async fn invoke(&self, event: serde_json::Value) -> Invoked {
        self.invoke_raw(event.to_string().into_bytes()).await
    }

    /// Invokes the function with an event that may be no JSON.
    pub async fn invoke_raw(&self, event: Vec<u8>) -> Invoked {
        let idle = self.environments.lock().unwrap().idle.pop();
        let mut environment = match idle {
            Some(environment) => environment,
            None => Environment::start(&self.binary, &self.variables, &self.log).await,
        };
        if !self.keep(&environment) {
            return Invoked::Failed;
        }
        let Some(answer) = environment.invoke(event).await else { return Invoked::Failed };
        let mut environments = self.environments.lock().unwrap();
        if !environment.process.is_dead() {
            environments.idle.push(environment);
        }
        Invoked::Answered(answer)
    }

    /// Puts an environment among those that a kill ends; not when the function is down.
    fn keep(&self, environment: &Environment) -> bool {
        let mut environments = self.environments.lock().unwrap();
        if !environments.processes.iter().any(|known| Arc::ptr_eq(known, &environment.process)) {
            environments.processes.push(Arc::clone(&environment.process));
        }
        !environments.down && !environment.process.is_dead()
    }

    /// Counts the processes that have been started since the function was last killed.
    pub fn started(&self) -> usize {
        self.environments.lock().unwrap().processes.len()
    }

    /// Tells what the only environment has used so far.
    pub(crate) fn usage(&self) -> Usage {
        let environments = self.environments.lock().unwrap();
        let [process] = environments.processes.as_slice() else { panic!("one environment") };
        process.usage()
    }

    /// Kills every environment, whatever it does; until [`Function::restart`] nothing is started again.
    pub(crate) fn kill(&self) {
        let mut environments = self.environments.lock().unwrap();
        environments.down = true;
        environments.idle.clear();
        for process in environments.processes.drain(..) {
            process.kill();
        }
    }

    /// Lets environments be started again.
    pub(crate) fn restart(&self) {
        self.environments.lock().unwrap().down = false;
    }
}

use gateway::{Gateway, serve};
