//! Lambda and API Gateway on this machine: the real binaries behind the Runtime API, HTTP in front.
//!
//! An environment answers one request at a time; when all are busy another is started. The gateway's
//! payload is that of HTTP APIs, version 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>),
//! the other side that of <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

mod environment;
mod gateway;
pub mod recorder;
pub mod stack;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use environment::Environment;

/// One function: its binary, its variables, and the environments that run it now.
pub(crate) struct Function {
    name: String,
    variables: BTreeMap<String, String>,
    log: PathBuf,
    idle: Mutex<Vec<Environment>>,
    all: Mutex<Vec<Arc<environment::Process>>>,
}

/// What became of an invocation.
pub(crate) enum Invoked {
    /// The function's response, as JSON.
    Answered(serde_json::Value),
    /// The function failed, or its process died.
    Failed,
}

impl Function {
    /// Names a function and gives it its variables; its log lines are appended to `log`.
    pub(crate) fn new(name: String, variables: BTreeMap<String, String>, log: PathBuf) -> Self {
        Self { name, variables, log, idle: Mutex::default(), all: Mutex::default() }
    }

    /// Invokes the function in an idle environment, or in a new one.
    pub(crate) async fn invoke(&self, event: serde_json::Value) -> Invoked {
        let idle = self.idle.lock().unwrap().pop();
        let mut environment = if let Some(environment) = idle {
            environment
        } else {
            let environment = Environment::start(&self.name, &self.variables, &self.log).await;
            self.all.lock().unwrap().push(environment.process());
            environment
        };
        let Some(answer) = environment.invoke(event).await else { return Invoked::Failed };
        self.idle.lock().unwrap().push(environment);
        Invoked::Answered(answer)
    }

    /// Kills every environment, whatever it does.
    pub(crate) fn kill(&self) {
        self.idle.lock().unwrap().clear();
        for process in self.all.lock().unwrap().drain(..) {
            process.kill();
        }
    }
}

use gateway::{Gateway, serve};
