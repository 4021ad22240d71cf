//! `infra/deploy`, with programs in the place of `sam` and `aws` that write down how they were called.

use std::path::Path;
use std::process::{Command, Output};

/// Writes down its name and arguments, one call a line.
const SAM: &str = "#!/bin/sh\necho \"sam $*\" >>\"$CALLS\"\n";

/// Does the same, and answers as an account does whose stack has this `STATUS`; without one there is no stack.
const AWS: &str = r#"#!/bin/sh
echo "aws $*" >>"$CALLS"
case "$*" in
  *describe-stacks*) [ -n "$STATUS" ] && echo "$STATUS" ;;
  *describe-stack-resource*) echo the-table ;;
  *describe-table*) echo "$PROTECTED" ;;
esac
"#;

struct Deploy {
    status: &'static str,
    protected: &'static str,
}

/// A stack that is there, with its table protected.
const UPDATE: Deploy = Deploy { status: "UPDATE_COMPLETE", protected: "True" };

impl Deploy {
    /// Runs the script and gives what it said and whom it called.
    fn run(&self, arguments: &[&str]) -> (Output, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "sam", SAM);
        program(folder.path(), "aws", AWS);
        let calls = folder.path().join("calls");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/deploy"))
            .args(arguments)
            .envs([("PATH", path.as_str()), ("STATUS", self.status), ("PROTECTED", self.protected)])
            .env("CALLS", &calls)
            .output()
            .unwrap();
        let calls = std::fs::read_to_string(calls).unwrap_or_default();
        (output, calls.lines().map(str::to_owned).collect())
    }

    /// Deploys to an environment that there is, and gives whom the script called.
    fn calls(&self, environment: &str) -> Vec<String> {
        let (output, calls) = self.run(&[environment]);
        assert!(output.status.success(), "{output:?}");
        calls
    }
}

fn program(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Finds the release that `sam deploy` was given.
fn release(calls: &[String]) -> &str {
    let deploy = calls.iter().find(|call| call.starts_with("sam deploy")).unwrap();
    deploy.split(' ').find_map(|argument| argument.strip_prefix("Release=")).unwrap()
}

#[test]
fn every_deploy_has_a_release_of_its_own_beside_the_parameters_of_its_environment() {
    let (first, second) = (UPDATE.calls("prod"), UPDATE.calls("prod"));
    for calls in [&first, &second] {
        let release = release(calls);
        assert!(
            release.len() == 64 && release.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        );
        let given = "--config-env prod --parameter-overrides file://parameters/prod.yaml";
        assert_eq!(calls[0], format!("sam build {given}"));
        assert!(calls.contains(&format!("sam deploy {given} Release={release}")), "{calls:?}");
    }
    assert_ne!(release(&first), release(&second));
}

#[test]
fn what_must_not_be_lost_is_protected_once_the_stack_is_there() {
    let policy = "aws cloudformation set-stack-policy --stack-name valetkey-dev \
                  --stack-policy-body file://stack-policy.json";
    let protect = "aws dynamodb update-table --table-name the-table --deletion-protection-enabled";
    for (protected, changed) in [("False", true), ("None", true), ("True", false)] {
        let calls = Deploy { protected, ..UPDATE }.calls("dev");
        let at = |call: &str| calls.iter().position(|other| other == call);
        let deployed = calls.iter().position(|call| call.starts_with("sam deploy"));
        assert!(at(policy) > deployed, "{calls:?}");
        assert_eq!(at(protect).is_some(), changed, "{calls:?}");
    }
}

#[test]
fn what_a_failed_first_deploy_has_left_is_deleted_before_the_next_and_no_other_stack_is() {
    let deletion = "aws cloudformation delete-stack --stack-name valetkey";
    for (status, deleted) in [
        ("", false),
        ("CREATE_COMPLETE", false),
        ("UPDATE_ROLLBACK_COMPLETE", false),
        ("IMPORT_COMPLETE", false),
        ("ROLLBACK_COMPLETE", true),
    ] {
        let calls = Deploy { status, ..UPDATE }.calls("prod");
        let deployed = calls.iter().position(|call| call.starts_with("sam deploy")).unwrap();
        assert_eq!(calls[..deployed].contains(&deletion.to_owned()), deleted, "{status}: {calls:?}");
        assert!(calls[deployed..].iter().all(|call| call != deletion), "{status}: {calls:?}");
    }
}

#[test]
fn an_environment_that_there_is_not_is_named_and_nothing_is_called() {
    for environment in ["staging", "", "../dev", "pro.", "default"] {
        let (output, calls) = UPDATE.run(&[environment]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("there is no environment '{environment}'")), "{said}");
        assert!(calls.is_empty(), "{calls:?}");
    }
    for arguments in [&[][..], &["dev", "prod"]] {
        let (output, calls) = UPDATE.run(arguments);
        assert!(output.status.code() == Some(2) && calls.is_empty(), "{output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("infra/deploy ENVIRONMENT"));
    }
}
