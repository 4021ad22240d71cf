//! The Lambda binary of the users.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    aws::serve(users::ROUTES, aws::deployment::for_users().await?).await
}
