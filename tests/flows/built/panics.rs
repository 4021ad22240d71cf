//! A panic in a function, built as `sam build` builds it: the caller gets a 500, and the process goes on.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::lambda::{Function, Invoked};
use tests::tool_folder;

/// Writes the event of a request that brings nothing along.
fn event(path: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "api.example", "x-forwarded-proto": "https"},
        "requestContext": {
            "domainName": "api.example",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "r",
            "stage": "$default",
            "timeEpoch": 1,
        },
        "isBase64Encoded": false,
    })
}

async fn answer(function: &Function, path: &str) -> Value {
    match function.invoke(event(path)).await {
        Invoked::Answered(answer) => answer,
        Invoked::Failed => panic!("the invocation failed"),
    }
}

#[tokio::test]
async fn a_panic_answers_500_is_counted_and_the_same_process_serves_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let binary = tool_folder("panic").join("elements/bootstrap");
    let function = Function::new(binary, BTreeMap::new(), log.clone());
    for _ in 0..2 {
        let answer = answer(&function, "/elements/api-v2/panic").await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(answer["statusCode"], 500);
        assert_eq!(body["requestId"], answer["headers"]["elements-request-id"]);
        assert!(body["message"].as_str().unwrap().starts_with("Something went wrong"), "{body}");
    }
    let next = answer(&function, "/elements/api-v2/elements/keys").await;
    assert_eq!((next["statusCode"].as_u64(), function.started()), (Some(200), 1));
    let log = std::fs::read_to_string(log).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let counted = lines.filter(|line| {
        let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        line["ServerError"] == 1 && metrics == &json!([{"Name": "ServerError", "Unit": "Count"}])
    });
    assert_eq!(counted.count(), 2, "{log}");
}
