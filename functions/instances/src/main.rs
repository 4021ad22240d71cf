//! The Lambda binary of the instances.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    let app = Box::pin(aws::deployment::for_instances()).await?;
    aws::serve(instances::ROUTES, app).await
}
