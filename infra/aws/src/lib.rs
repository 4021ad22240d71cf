//! valetkey on AWS: the vault on Secrets Manager and the registry on DynamoDB.
//!
//! [`clients`] builds the SDK's clients, once a process; [`vault`] and [`registry`] are the two seams;
//! [`failure`] turns the SDK's errors into theirs.

pub mod clients;
mod failure;
pub mod registry;
pub mod vault;

pub use clients::Clients;
pub use registry::DynamoRegistry;
pub use vault::SecretsManagerVault;
