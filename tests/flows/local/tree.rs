//! The dependency tree keeps its promises.

use std::process::Command;

/// Lists the packages of a tree, each with its version.
fn tree(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

fn holds(tree: &[String], name: &str) -> bool {
    tree.iter().any(|known| known.split(' ').next() == Some(name))
}

#[test]
fn the_tree_holds_one_tls_stack() {
    let all = tree(&["--workspace"]);
    let mut stacks: Vec<_> =
        all.iter().filter(|name| ["rustls", "ring"].contains(&name.split(' ').next().unwrap())).collect();
    stacks.sort();
    stacks.dedup();
    assert_eq!(stacks.len(), 2, "{stacks:?}");
    for other in ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys", "boring"] {
        assert!(!holds(&all, other), "{other}");
    }
}

#[test]
fn a_local_run_compiles_no_aws_sdk() {
    let local = tree(&["--package", "valetkey"]);
    let sdk = local.iter().find(|name| name.starts_with("aws-sdk") || name.starts_with("aws-config"));
    assert_eq!(sdk, None);
}

#[test]
fn the_events_of_every_crate_of_ours_are_logged() {
    let members = tree(&["--workspace", "--depth", "0"]);
    let not_ours = ["", "bare", "model", "tests"];
    let mut crates: Vec<_> = members
        .iter()
        .filter_map(|member| member.split(' ').next())
        .filter(|name| !not_ours.contains(name))
        .collect();
    crates.sort_unstable();
    crates.dedup();
    let expected: Vec<_> = crates.into_iter().map(|name| name.replace('-', "_")).collect();
    assert_eq!(web::log::CRATES.to_vec(), expected);
}
