//! The template and the code say the same.

use std::collections::{BTreeMap, BTreeSet};

use aws::config;
use tests::template::functions;
use valetkey::http::{BASE, Route};

fn paths<S>(routes: &[Route<S>]) -> BTreeSet<String> {
    routes.iter().map(|route| format!("{BASE}{}", route.path)).collect()
}

#[test]
fn every_route_of_a_function_is_in_the_template_and_no_other() {
    let deployed: BTreeMap<_, _> =
        functions().into_iter().map(|function| (function.binary, function.paths)).collect();
    let mut elements = paths(elements::ROUTES);
    elements.insert(String::new());
    let code = BTreeMap::from([
        ("oauth-url".to_owned(), paths(oauth_url::ROUTES)),
        ("instances".to_owned(), paths(instances::ROUTES)),
        ("elements".to_owned(), elements),
    ]);
    assert_eq!(deployed, code);
}

#[test]
fn every_variable_that_a_function_reads_is_in_the_template_and_no_other() {
    let stores = [
        config::METRICS,
        config::TABLE,
        config::SECRET_PREFIX,
        config::KMS_KEY,
        config::TOKEN_KEY_SECRET,
        config::USER_SECRET,
        config::ORGANIZATION_SECRET,
        config::PKCE_KEY,
    ];
    for function in functions() {
        let given: BTreeSet<_> = function.variables.keys().map(String::as_str).collect();
        let read: BTreeSet<_> = match function.binary.as_str() {
            "instances" => stores.into(),
            "oauth-url" => [config::PKCE_KEY].into(),
            _ => BTreeSet::new(),
        };
        assert_eq!(given, read, "{}", function.binary);
    }
}
