//! What the functions log: JSON lines with the request's number, and metrics in the embedded format. These
//! tests are for the functions, `VALETKEY_STACK=lambda`.

use serde_json::{Value, json};
use tests::broker::Broker;
use tests::lambda::recorder::Fault;

#[tokio::test]
async fn every_line_is_json_with_the_number_that_the_caller_was_given() {
    let broker = Broker::start(&[]).await;
    let code = broker.client.code("infusionsoftcrm").await;
    let made = broker.client.create("infusionsoftcrm", &code, "Logged").send().await.unwrap();
    let number = made.headers()["elements-request-id"].to_str().unwrap().to_owned();
    let log = std::fs::read_to_string(broker.log_path()).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_request: Vec<_> = lines.iter().filter(|line| line["request_id"] == number).collect();
    assert!(of_request.iter().any(|line| line["message"] == "answered"), "{log}");
    let asked = of_request.iter().find(|line| line["message"] == "asked the vendor").unwrap();
    let declared = &asked["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(declared["Metrics"][0]["Name"], "Vendor");
    assert!(asked["Vendor"].as_f64().unwrap() > 0.0 && asked["element"] == "infusionsoftcrm", "{asked}");
}

#[tokio::test]
async fn a_fault_of_ours_is_counted_for_the_version_that_runs() {
    let broker = Broker::start(&[]).await;
    broker.client.instance("infusionsoftcrm", "Warm").await;
    let code = broker.client.code("infusionsoftcrm").await;
    // The marker and the pending record are put, the grant is not.
    broker.fail("instances", "dynamodb:PutItem", Fault::FailsAfter(2, 400, "AccessDeniedException"));
    let answer = broker.client.create("infusionsoftcrm", &code, "Denied").send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let log = std::fs::read_to_string(broker.log_path()).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for metric in ["GrantNotSaved", "ServerError"] {
        let line = lines.iter().find(|line| line[metric] == 1).unwrap();
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Dimensions"], json!([["function", "version"], []]));
        assert_eq!((&line["function"], &line["version"]), (&json!("instances"), &json!("1")));
    }
}
