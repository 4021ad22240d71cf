//! The Lambda binary of the instances.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    aws::serve(instances::ROUTES, aws::deployment::app().await?).await
}
