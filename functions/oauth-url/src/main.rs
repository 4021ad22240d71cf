//! The Lambda binary of the redirect URL: no SDK, no TLS.

use aws::{Config, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    let app = oauth_url::State { catalogue: Config::catalogue()?, pkce_key: Config::pkce_key()? };
    aws::serve(oauth_url::ROUTES, app).await
}
