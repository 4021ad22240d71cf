//! The Lambda binary of the sweep.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    aws::lambda::serve_schedule(aws::deployment::for_sweep().await?, sweep::handle).await
}
