//! The template and the code say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use broker::store::records::{AGENDA, DUE};
use tests::template::{self, functions};
use web::router::Route;

fn paths<S>(routes: &[Route<S>]) -> BTreeSet<String> {
    routes.iter().map(Route::whole_path).collect()
}

/// The functions that answer requests, each with the paths of its routes.
fn routes() -> BTreeMap<&'static str, BTreeSet<String>> {
    BTreeMap::from([
        ("oauth-url", paths(oauth_url::ROUTES)),
        ("instances", paths(instances::ROUTES)),
        ("users", paths(users::ROUTES)),
        ("connect", paths(connect::ROUTES)),
        ("oauth-callback", paths(oauth_callback::ROUTES)),
        ("elements", paths(elements::ROUTES)),
    ])
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
    let (gateway, code) = (gateway(), routes());
    for (function, paths) in &code {
        for path in paths {
            let reached = gateway.at(path).map_or(REST, |found| found.value.as_str());
            assert_eq!(reached, *function, "{path}");
        }
    }
    let served = functions().into_iter().filter(|function| !function.paths.is_empty());
    let served: BTreeSet<_> = served.map(|function| function.binary).collect();
    assert_eq!(served, code.into_keys().map(str::to_owned).collect());
}

#[test]
fn every_path_of_the_template_has_a_route() {
    let code = routes();
    for function in functions() {
        for path in function.paths {
            let fixed = path.strip_suffix("{proxy+}").unwrap_or(&path);
            let known = |route: &String| *route == path || (fixed != path && route.starts_with(fixed));
            assert!(path.is_empty() || code[function.binary.as_str()].iter().any(known), "{path}");
        }
    }
}

/// The names of valetkey's own metrics that come after a prefix in a text.
fn metrics<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let named = text.split(before).skip(1);
    named.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next()).collect()
}

/// The source of the crate whose events carry the metrics.
fn code() -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared")];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    code
}

/// The metrics on the dashboard that AWS writes.
const AWS: [&str; 4] = ["4xx", "5xx", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"];

#[test]
fn every_metric_that_is_alarmed_or_shown_is_written() {
    let code = code();
    let before = ["event!(info, ", "event!(warn, ", "event!(error, ", "count.", "milliseconds.", "seconds."];
    let written: BTreeSet<_> = before.into_iter().flat_map(|before| metrics(&code, before)).collect();
    let template = include_str!("../../../infra/template.yaml");
    let alarmed = metrics(template, "Namespace: !Ref AWS::StackName\n      MetricName: ");
    assert!(alarmed.len() >= 6, "{alarmed:?}");
    let (_, dashboard) = template.split_once("  Dashboard:").unwrap();
    let shown: BTreeSet<_> =
        metrics(dashboard, "[\".\", \"").into_iter().chain(metrics(dashboard, "StackName}\", \"")).collect();
    for metric in alarmed.iter().chain(&shown).filter(|metric| !AWS.contains(metric)) {
        assert!(written.contains(metric), "{metric} is never written: {written:?}");
    }
}

#[test]
fn a_pass_of_the_sweep_ends_before_its_function_and_before_the_next() {
    let template: serde_norway::Value =
        serde_norway::from_str(include_str!("../../../infra/template.yaml")).unwrap();
    let function = &template["Resources"]["SweepFunction"]["Properties"];
    let timeout = function["Timeout"].as_u64().unwrap();
    // A request, the longest wait for the pace, and the first calls.
    assert!(sweep::LASTS.as_secs() + 28 + 5 < timeout && timeout < 300, "{timeout}");
    let schedule = &function["Events"]["Schedule"]["Properties"]["ScheduleExpression"];
    assert_eq!(schedule.as_str(), Some("rate(5 minutes)"));
}

#[test]
fn the_tables_of_the_tests_are_the_templates() {
    let template: serde_norway::Value =
        serde_norway::from_str(include_str!("../../../infra/template.yaml")).unwrap();
    let table = &template["Resources"]["Table"]["Properties"];
    let key =
        |schema: &serde_norway::Value, n: usize| schema[n]["AttributeName"].as_str().unwrap().to_owned();
    let index = &table["GlobalSecondaryIndexes"][0];
    assert_eq!(index["IndexName"].as_str(), Some(aws::registry::AGENDAS));
    assert_eq!((key(&index["KeySchema"], 0), key(&index["KeySchema"], 1)), (AGENDA.into(), DUE.into()));
    let primary = &table["KeySchema"];
    let expected = (aws::registry::PARTITION.to_owned(), aws::registry::SORT.to_owned());
    assert_eq!((key(primary, 0), key(primary, 1)), expected);
}
