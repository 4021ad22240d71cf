//! `infra/reconcile`, with programs in the place of `aws` and `cargo` that write down what they were given.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const AWS: &str = "#!/bin/sh\necho \"aws $*\" >>\"$CALLS\"\necho the-key\n";

const CARGO: &str = "#!/bin/sh\necho \"cargo $*\" >>\"$CALLS\"\nenv | grep ^VALETKEY_ | sort >>\"$CALLS\"\n";

/// Runs the script; gives how it ended, and what the programs were given.
fn run(arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("aws", AWS), ("cargo", CARGO)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let calls = folder.path().join("calls");
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/reconcile"))
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("CALLS", &calls)
        .output()
        .unwrap();
    (output, std::fs::read_to_string(calls).unwrap_or_default())
}

#[test]
fn the_program_is_given_the_stacks_secrets_and_both_tables() {
    for stack in ["valetkey", "arn:aws:cloudformation:eu-west-1:123456789012:stack/valetkey/6f5a-11ee"] {
        let (output, calls) = run(&[stack, "restored", "old"]);
        assert!(output.status.success(), "{output:?}");
        for given in [
            format!("describe-stack-resource --stack-name {stack} --logical-resource-id GrantKey"),
            "cargo run --locked --quiet --package aws --bin reconcile".to_owned(),
            "VALETKEY_GRANT_KEY_SECRET=the-key".to_owned(),
            "VALETKEY_REPLACED_TABLE=old".to_owned(),
            "VALETKEY_SECRET_PREFIX=valetkey/instance/".to_owned(),
            "VALETKEY_TABLE=restored".to_owned(),
        ] {
            assert!(calls.contains(&given), "{given}: {calls}");
        }
    }
    let (output, calls) = run(&["valetkey", "restored"]);
    assert!(output.status.success() && calls.contains("VALETKEY_REPLACED_TABLE=\n"), "{calls}");
}

#[test]
fn without_a_table_it_says_how_it_is_used_and_does_nothing() {
    for arguments in [&[][..], &["valetkey"], &["valetkey", "a", "b", "c"]] {
        let (output, calls) = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && calls.is_empty() && said.contains("infra/reconcile STACK"),
            "{said}"
        );
    }
}
