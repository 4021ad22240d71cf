//! The template gives a function the variables that it reads.

use std::collections::BTreeSet;

use aws::config;
use tests::lambda::stack::Stack;
use tests::lambda::variables::Reads;
use tests::template;

/// The settings of hosted connect. Each of its functions asks for all of them and is given those that it uses.
const CONNECT: [&str; 4] = [config::PUBLIC_URL, config::RETURN_URLS, config::PAGE_TITLE, config::PAGE_ACCENT];

#[tokio::test]
async fn the_template_gives_a_function_what_it_reads_and_nothing_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(folder.path(), "http://127.0.0.1:9", &[]).await;
    let reads = Reads::new(folder.path());
    let mut connect = BTreeSet::new();
    for function in template::functions() {
        let (binary, variables) = stack.deployed(&function.binary);
        let mut read = reads.of(binary, variables).await;
        // Those of Lambda, the SDK and the standard library are not the template's. A folder of further elements is
        // for the operator to add.
        read.retain(|name| name.starts_with("VALETKEY_") && name != config::ELEMENTS);
        let given: BTreeSet<_> = function.variables.into_keys().collect();
        let (lacking, in_vain) = (&read - &given, &given - &read);
        assert!(in_vain.is_empty(), "{} is given and does not read {in_vain:?}", function.binary);
        let lacks = lacking.iter().any(|name| !CONNECT.contains(&name.as_str()));
        assert!(!lacks, "{} reads and is not given one of {lacking:?}", function.binary);
        connect.extend(given.into_iter().filter(|name| CONNECT.contains(&name.as_str())));
    }
    assert_eq!(connect, CONNECT.map(str::to_owned).into());
}
