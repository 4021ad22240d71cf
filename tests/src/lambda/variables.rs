//! The environment variables that a program reads until it asks for its first event.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::net::TcpListener;

/// Finds out what a program reads, between it and the C library.
pub struct Reads {
    library: PathBuf,
    folder: PathBuf,
}

impl Reads {
    /// Compiles the library that listens, into a folder.
    pub fn new(folder: &Path) -> Self {
        let library = folder.join("getenv.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lambda/getenv.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]).status();
        assert!(compiled.expect("there is a C compiler").success());
        Self { library, folder: folder.to_owned() }
    }

    /// Starts a function's binary with its variables; gives the names of all that it asked for when it is ready.
    pub async fn of(&self, binary: &Path, variables: &BTreeMap<String, String>) -> BTreeSet<String> {
        let name = self.folder.join(binary.file_name().unwrap());
        let (log, output) = (name.with_extension("reads"), name.with_extension("output"));
        let runtime = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut child = Command::new(binary)
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", runtime.local_addr().unwrap().to_string())
            .envs(["NAME", "VERSION", "MEMORY_SIZE"].map(|it| (format!("AWS_LAMBDA_FUNCTION_{it}"), "1")))
            .env("LD_PRELOAD", &self.library)
            .env("GETENV_LOG", &log)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&output).unwrap())
            .spawn()
            .unwrap();
        let asked_for_an_event =
            tokio::time::timeout(std::time::Duration::from_mins(1), runtime.accept()).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(asked_for_an_event.is_ok(), "{}", std::fs::read_to_string(output).unwrap());
        std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
    }
}
