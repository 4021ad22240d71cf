//! The Lambda binary of the links that visitors open.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    aws::serve(connect::ROUTES, aws::deployment::for_connect().await?).await
}
