//! The Lambda binary of the catalogue: no SDK, no TLS.

use aws::{Config, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    aws::serve(elements::ROUTES, Config::catalogue()?).await
}
