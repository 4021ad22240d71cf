//! The SDK's clients: built once, with one HTTP client and one TLS stack between them.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use vendors::client::tls::BuildError;

use crate::http;

/// How often a call is tried, the first time included.
const ATTEMPTS: u32 = 4;

/// The longest wait before the second attempt; it doubles before each further one.
const WAIT: Duration = Duration::from_millis(500);

/// The time to make a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// The time for one attempt. Both services answer in milliseconds.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The time for a call with all its attempts: `valetkey` reckons with it where a grant must not be lost.
const CALL: Duration = Duration::from_secs(5);

// A call that is throttled makes all its attempts, whatever the jitter: its waits alone do not end it.
const _: () = assert!((WAIT.as_millis() << (ATTEMPTS - 1)) < CALL.as_millis());

/// The clients of the services that the stores are on.
#[derive(Debug, Clone)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Secrets Manager.
    pub secrets_manager: aws_sdk_secretsmanager::Client,
}

impl Clients {
    /// Builds the clients from the environment that AWS gives a function: the Region, the credentials
    /// and, where it is set, a service's endpoint (`AWS_ENDPOINT_URL_DYNAMODB`,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`).
    pub async fn from_environment() -> Result<Self, BuildError> {
        Self::load(aws_config::defaults(BehaviorVersion::latest())).await
    }

    /// Builds the clients from a configuration that is to be completed: with our HTTP client, deadlines
    /// and retries.
    pub async fn load(loader: ConfigLoader) -> Result<Self, BuildError> {
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build();
        let config = loader
            .http_client(http::client(CONNECT)?)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(WAIT))
            .load()
            .await;
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            secrets_manager: aws_sdk_secretsmanager::Client::new(&config),
        })
    }
}
