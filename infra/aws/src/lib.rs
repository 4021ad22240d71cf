//! valetkey on AWS: the functions' wiring, the vault on Secrets Manager, the registry on DynamoDB.
//!
//! [`config`] is the environment that the template gives a function, [`lambda`] serves its routes or its schedule.
//! [`clients`] builds the SDK's clients, once a process; [`vault`] and
//! [`registry`] are the two seams; [`deployment`] puts a `Broker` together; `failure` turns the SDK's
//! errors into the stores', `http` sends its requests.

pub mod clients;
pub mod config;
pub mod deployment;
mod failure;
mod http;
pub mod lambda;
pub mod registry;
pub mod vault;

use std::fmt;

pub use clients::Clients;
pub use config::Config;
pub use lambda::serve;
pub use registry::DynamoRegistry;
pub use vault::SecretsManagerVault;

/// Why a function cannot start; Lambda logs it and tries again.
#[derive(thiserror::Error)]
pub enum StartError {
    /// The template did not set a variable.
    #[error("the environment variable {0} is not set")]
    Unset(&'static str),
    /// A variable holds what it must not.
    #[error("the environment variable {0} is wrong: {1}")]
    Wrong(&'static str, String),
    /// A folder of further elements cannot be used.
    #[error("VALETKEY_ELEMENTS: {0}")]
    Elements(#[from] vendors::catalogue::FolderError),
    /// A secret of the deployment cannot be read.
    #[error("the deployment's secrets cannot be read: {0}")]
    Secrets(#[from] broker::store::StoreError),
    /// A secret of the deployment does not hold what the template put there.
    #[error("the secret that {0} names does not hold what the template put there")]
    Malformed(&'static str),
    /// A secret of the deployment is one that others could know.
    #[error("the secret {secret}, which the environment variable {variable} names, is wrong: {cause}")]
    Weak {
        /// The variable.
        variable: &'static str,
        /// The secret's name or ARN.
        secret: String,
        /// What is wrong with it.
        cause: broker::seal::key::WeakSecret,
    },
    /// The HTTP client for vendors and AWS cannot be built.
    #[error(transparent)]
    Client(#[from] vendors::client::tls::BuildError),
    /// The Lambda runtime failed.
    #[error("the Lambda runtime failed: {0}")]
    Runtime(lambda_http::Error),
}

/// `main` prints the error that it ends with in this form, and whoever reads the log should get a sentence.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
