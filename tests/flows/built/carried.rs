//! What a function carries: the two that send nothing hold neither an HTTP client nor TLS nor the AWS SDK.

use tests::tool_folder;

/// Parts of names of source files, which a panic message holds of all code that is linked in.
const CLIENTS: [&str; 3] = ["/rustls-0.", "/reqwest-0.", "/aws-smithy-runtime-1."];

/// Tells which clients a binary holds.
fn carried(binary: &str) -> Vec<&'static str> {
    let (folder, path) = binary.split_once('/').unwrap();
    let bytes = std::fs::read(tool_folder(folder).join(path)).unwrap();
    let holds = |name: &&str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    CLIENTS.into_iter().filter(holds).collect()
}

#[test]
fn a_function_that_sends_nothing_carries_no_client() {
    assert_eq!(carried("panic/elements/bootstrap"), Vec::<&str>::new());
    assert_eq!(
        carried("sam-build/InstancesFunction/bootstrap"),
        CLIENTS,
        "the names are those of linked code"
    );
}
