//! The template and the code say the same.

use std::collections::{BTreeMap, BTreeSet};

use aws::config;
use tests::template::{self, functions};
use valetkey::http::{BASE, Route};

fn paths<S>(routes: &[Route<S>]) -> BTreeSet<String> {
    routes.iter().map(|route| format!("{BASE}{}", route.path)).collect()
}

/// The function that takes what goes to no other.
const REST: &str = "elements";

/// Finds the function that a path goes to as API Gateway does: the most specific route wins.
fn gateway() -> matchit::Router<String> {
    let mut gateway = matchit::Router::new();
    for function in functions() {
        for path in function.paths.iter().filter(|path| !path.is_empty()) {
            gateway.insert(template::matched(path), function.binary.clone()).unwrap();
        }
    }
    gateway
}

#[test]
fn every_route_of_a_function_reaches_it_through_the_template() {
    let gateway = gateway();
    let code = [
        ("oauth-url", paths(oauth_url::ROUTES)),
        ("instances", paths(instances::ROUTES)),
        ("users", paths(users::ROUTES)),
        ("elements", paths(elements::ROUTES)),
    ];
    for (function, paths) in &code {
        for path in paths {
            let reached = gateway.at(path).map_or(REST, |found| found.value.as_str());
            assert_eq!(reached, *function, "{path}");
        }
    }
    let deployed: BTreeSet<_> = functions().into_iter().map(|function| function.binary).collect();
    assert_eq!(deployed, code.iter().map(|(function, _)| (*function).to_owned()).collect());
}

#[test]
fn every_path_of_the_template_has_a_route() {
    let code = BTreeMap::from([
        ("oauth-url", paths(oauth_url::ROUTES)),
        ("instances", paths(instances::ROUTES)),
        ("users", paths(users::ROUTES)),
        ("elements", paths(elements::ROUTES)),
    ]);
    for function in functions() {
        for path in function.paths {
            let fixed = path.strip_suffix("{proxy+}").unwrap_or(&path);
            let known = |route: &String| *route == path || (fixed != path && route.starts_with(fixed));
            assert!(path.is_empty() || code[function.binary.as_str()].iter().any(known), "{path}");
        }
    }
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
            "instances" | "users" => stores.into(),
            "oauth-url" => [config::PKCE_KEY].into(),
            _ => BTreeSet::new(),
        };
        assert_eq!(given, read, "{}", function.binary);
    }
}
