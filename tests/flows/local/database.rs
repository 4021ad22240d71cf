//! The embedded database beside other programs that read it.

use tests::broker::Broker;

/// A reader from outside, such as a backup, must not make the process lose its write-ahead log.
#[tokio::test]
async fn a_reader_of_the_database_from_outside_loses_nothing() {
    let mut broker = Broker::start(&[]).await;
    broker.client.instance("infusionsoftcrm", "Before").await;
    let read = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])";
    for (name, query) in
        [("valetkey.db", "SELECT count(*) FROM items"), ("sandbox.db", "SELECT count(*) FROM grants")]
    {
        let path = broker.data.join(name);
        let output = tokio::process::Command::new("python3")
            .args(["-c", read, path.to_str().unwrap(), query])
            .output();
        let output = output.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for name in ["Second", "Third"] {
        broker.client.instance("infusionsoftcrm", name).await;
    }
    broker.kill().await;
    broker.restart().await;
    for id in 1..=3 {
        let access = broker.client.access_token(&id.into()).await;
        assert_eq!(broker.client.userinfo(&access).await, 200, "instance {id}");
    }
}
