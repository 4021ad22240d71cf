//! Brings a restored table up to what Secrets Manager knows, and prints what it found as JSON: see `infra/reconcile`.

use std::io::{self, Write};

use aws::deployment;
use broker::grant::reconcile::reconcile;
use broker::store::records::Registry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (broker, replaced) = deployment::for_reconcile().await?;
    let replaced = replaced.as_ref().map(|table| table as &dyn Registry);
    let findings = reconcile(&broker, replaced).await?;
    serde_json::to_writer_pretty(io::stdout(), &findings)?;
    Ok(writeln!(io::stdout())?)
}
