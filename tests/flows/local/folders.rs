//! The data folder on one machine: one process uses it, a copy is seen, and a full disk loses nothing.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::Value;
use tests::broker::{self, Broker};
use tests::client::{ok, outcome};

/// Starts the binary on a folder, and gives what it says when it refuses.
async fn refused(data: &Path, arguments: &[&str]) -> String {
    let ended = broker::command().arg("--data").arg(data).args(["--port", "0"]).args(arguments).output();
    let ended = ended.await.unwrap();
    assert!(!ended.status.success());
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn a_second_process_on_a_folder_is_refused() {
    let broker = Broker::start(&[]).await;
    let said = refused(&broker.data, &[]).await;
    assert!(said.contains("Another valetkey uses the folder"), "{said}");
    broker.client.instance("infusionsoftcrm", "Goes on").await;
}

#[tokio::test]
async fn a_copied_folder_is_refused_until_somebody_takes_it_over() {
    let mut broker = Broker::start(&[]).await;
    let made = broker.client.instance("infusionsoftcrm", "Copied").await;
    broker.terminate();
    assert!(broker.end().await.0.success());
    let copied = broker.data.with_file_name("copied");
    assert!(Command::new("cp").arg("-r").args([&broker.data, &copied]).status().unwrap().success());
    let said = refused(&copied, &[]).await;
    assert!(said.contains("is a copy") && said.contains("--take-over"), "{said}");
    let said = refused(&broker.data, &["--machine-id", "another"]).await;
    assert!(said.contains("another machine"), "{said}");
    broker.restart_on(copied, "--take-over").await;
    broker.client.access_token(&made["id"]).await;
}

#[tokio::test]
async fn a_backup_is_made_while_it_runs_and_restored_in_a_new_folder() {
    let mut broker = Broker::start(&[]).await;
    let made = broker.client.instance("infusionsoftcrm", "Kept").await;
    let (backup, restored) =
        (broker.data.with_file_name("backup.db"), broker.data.with_file_name("restored"));
    let run = async |command: &str, data: &Path| {
        let run = broker::command().arg(command).arg(&backup).arg("--data").arg(data).output();
        let ended = run.await.unwrap();
        (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
    };
    assert_eq!(run("backup", &broker.data).await, (true, String::new()));
    broker.client.instance("infusionsoftcrm", "Later").await;
    let (done, said) = run("backup", &broker.data).await;
    assert!(!done && said.contains("cannot be written"), "an older backup stays: {said}");
    let (done, said) = run("restore", &broker.data).await;
    assert!(!done && said.contains("There is a database already"), "{said}");
    assert_eq!(run("restore", &restored).await, (true, String::new()));
    let said = refused(&restored, &[]).await;
    assert!(said.contains("The key file") && said.contains("missing"), "{said}");
    for file in ["key", "sandbox.db", "sandbox.db-wal"] {
        std::fs::copy(broker.data.join(file), restored.join(file)).unwrap();
    }
    let said = refused(&restored, &[]).await;
    assert!(said.contains("restored from a backup"), "{said}");
    broker.kill().await;
    broker.restart_on(restored, "--take-over").await;
    broker.client.access_token(&made["id"]).await;
    assert_eq!(ok(broker.client.call(Method::GET, "/instances")).await.as_array().unwrap().len(), 1);
}

/// A small file system of its own in memory.
fn small(mebibytes: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let size = format!("size={mebibytes}m");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
    assert!(mounted.unwrap().success(), "a file system can be mounted");
    folder
}

/// Fills what is left of a file system.
fn fill(filler: &Path) {
    let file = format!("of={}", filler.display());
    let filled = Command::new("dd").args(["if=/dev/zero", "bs=4k", &file]).output().unwrap();
    assert!(!filled.status.success(), "the disk is full");
}

/// How many grants are due.
const DUE: u64 = 30;

#[tokio::test]
async fn a_full_disk_loses_no_grant() {
    if !rustix::process::geteuid().is_root() {
        println!("LEFT OUT: a full disk, since only root can mount a small file system");
        return;
    }
    let folder = small(16);
    let (filler, mounted) = (folder.path().join("filler"), folder.path().to_owned());
    let mut broker = Broker::start_in(folder, &[]).await;
    for _ in 0..DUE {
        broker.client.instance("infusionsoftcrm", "Due").await;
    }
    for id in 1..=DUE {
        broker.access_lives(id, -86_400, -1).await;
    }
    let path = |id| format!("/instances/{id}/access-token");
    let (mut given, mut answered) = (0, 0);
    // The second time the disk is full again while the ballast is made.
    for _ in 0..2 {
        fill(&filler);
        let calls = (1..=DUE).map(|id| outcome(broker.client.call(Method::GET, &path(id))));
        let answers: Vec<(u16, Value)> = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|(status, _)| [200, 503].contains(status)), "{answers:?}");
        given += answers.iter().filter(|(status, _)| *status == 200).count() as u64;
        answered = broker.stats().await["refreshes"].as_u64().unwrap();
        std::fs::remove_file(&filler).unwrap();
    }
    println!("{given} of {DUE} callers got a token while the disk was full");
    assert!(answered <= given && given < DUE, "no vendor is asked once the disk is known to be full");
    broker.terminate();
    let (status, _) = broker.end().await;
    assert!(status.success());
    broker.restart().await;
    for id in 1..=DUE {
        let access = broker.client.access_token(&id.into()).await;
        assert_eq!(broker.client.userinfo(&access).await, 200, "instance {id} lives");
    }
    broker.kill().await;
    assert!(Command::new("umount").arg(mounted).status().unwrap().success());
}
