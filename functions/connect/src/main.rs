//! The Lambda binary of the links that visitors open.

use aws::StartError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    aws::lambda::log();
    let (registry, connect) = aws::deployment::doorkeeper().await?;
    let (catalogue, clock) = (aws::Config::catalogue()?, valetkey::clock::Clock::System);
    aws::serve(connect::ROUTES, connect::App { catalogue, clock, registry, connect }).await
}
