//! The Lambda binary of the vendors' callback.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    aws::serve(oauth_callback::ROUTES, aws::deployment::for_callback().await?).await
}
