//! Secrets Manager or DynamoDB throttled, slow, down, denying, silent, or the function dying in the middle:
//! the answer is right, nothing that the vendor gave is lost silently, nothing half is visible. These
//! tests are for the functions, `VALETKEY_STACK=lambda`.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tests::broker::Broker;
use tests::client::outcome;
use tests::lambda::recorder::Fault;
use tests::until;

const ALWAYS: usize = usize::MAX;
/// Longer than one attempt of the SDK may take (2 s).
const TOO_LATE: Duration = Duration::from_millis(2_500);
const SLOW: Duration = Duration::from_millis(300);
const THROTTLED: &str = "ThrottlingException";
const DENIED: &str = "AccessDeniedException";

/// Makes one instance, so that the function is warm, and then another while an action goes wrong.
async fn create_with(action: &str, fault: Fault) -> (Broker, u16, Value, Option<String>) {
    let broker = Broker::start(&[]).await;
    broker.client.instance("infusionsoftcrm", "Warm").await;
    let code = broker.client.code("infusionsoftcrm").await;
    broker.fail("instances", action, fault);
    let response = broker.client.create("infusionsoftcrm", &code, "Faulty").send().await.unwrap();
    let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (broker, response.status().as_u16(), response.json().await.unwrap(), retry)
}

async fn visible(broker: &Broker) -> usize {
    let (status, found) = outcome(broker.client.call(Method::GET, "/instances")).await;
    assert_eq!(status, 200, "the warm one is always there");
    found.as_array().unwrap().len()
}

#[tokio::test]
async fn throttling_and_lost_replies_of_any_write_are_ridden_out() {
    let throttled = Fault::Fails(400, THROTTLED, 2);
    for action in
        ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem", "secretsmanager:CreateSecret"]
    {
        for fault in [throttled.clone(), Fault::Fails(500, "InternalServerError", 2), Fault::LosesReply(1)] {
            let (broker, status, answer, _) = create_with(action, fault.clone()).await;
            assert_eq!(status, 200, "{action} {fault:?}: {answer}");
            assert_eq!(visible(&broker).await, 2);
            let access = broker.client.access_token(&answer["id"]).await;
            assert_eq!(broker.client.userinfo(&access).await, 200);
            assert_eq!(broker.stats().await["exchanges"], 2, "one exchange each");
        }
    }
}

#[tokio::test]
async fn a_reply_that_comes_too_late_is_as_good_as_lost_and_a_slow_one_is_waited_for() {
    for (action, delay) in [
        ("dynamodb:PutItem", TOO_LATE),
        ("dynamodb:UpdateItem", TOO_LATE),
        ("secretsmanager:CreateSecret", TOO_LATE),
        ("secretsmanager:CreateSecret", SLOW),
    ] {
        let (broker, status, answer, _) = create_with(action, Fault::Slow(delay, 1)).await;
        assert_eq!((status, visible(&broker).await), (200, 2), "{action} {delay:?}: {answer}");
        let access = broker.client.access_token(&answer["id"]).await;
        assert_eq!(broker.client.userinfo(&access).await, 200);
    }
}

#[tokio::test]
async fn a_registry_that_is_too_slow_spends_no_code() {
    let (broker, status, answer, retry) = create_with("dynamodb:PutItem", Fault::Hangs).await;
    assert_eq!((status, retry.as_deref()), (503, Some("1")), "{answer}");
    assert_eq!((broker.stats().await["exchanges"].clone(), visible(&broker).await), (1.into(), 1));
}

#[tokio::test]
async fn connections_that_aws_closed_while_the_function_was_frozen_cost_nothing() {
    let broker = Broker::start(&[]).await;
    for name in ["Warm", "Once", "Twice"] {
        let code = broker.client.code("infusionsoftcrm").await;
        broker.hang_up("instances").await;
        let made = broker.client.create("infusionsoftcrm", &code, name).send().await.unwrap();
        assert_eq!(made.status(), 200, "{name}");
    }
    assert_eq!(visible(&broker).await, 3);
}

#[tokio::test]
async fn a_registry_that_is_down_before_the_exchange_spends_no_code() {
    let (broker, status, answer, retry) =
        create_with("dynamodb:PutItem", Fault::Fails(500, "InternalServerError", ALWAYS)).await;
    assert_eq!((status, retry.as_deref()), (503, Some("1")), "{answer}");
    assert_eq!((broker.stats().await["exchanges"].clone(), visible(&broker).await), (1.into(), 1));
    let (_, status, answer, retry) = create_with("dynamodb:PutItem", Fault::Fails(400, DENIED, ALWAYS)).await;
    assert_eq!((status, retry), (500, None), "{answer}");
}

#[tokio::test]
async fn a_vault_that_denies_loses_the_grant_aloud_and_revokes_it() {
    let (broker, status, answer, retry) =
        create_with("secretsmanager:CreateSecret", Fault::Fails(400, DENIED, ALWAYS)).await;
    assert_eq!((status, retry), (500, None), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("consent again"), "{answer}");
    assert_eq!((broker.stats().await["revocations"].clone(), visible(&broker).await), (1.into(), 1));
    let log = std::fs::read_to_string(broker.log_path()).unwrap();
    assert!(log.contains("a new grant is not kept yet") && log.contains(DENIED), "{log}");
}

#[tokio::test]
async fn a_commit_that_is_denied_shows_nothing_and_keeps_the_grant() {
    let broker = Broker::start(&[]).await;
    broker.client.instance("infusionsoftcrm", "Warm").await;
    let code = broker.client.code("infusionsoftcrm").await;
    // The counter and the commit are both updates: the fault begins once the vendor has been asked.
    broker.fail("instances", "secretsmanager:CreateSecret", Fault::Hangs);
    let (client, name) = (broker.client.clone(), "Half");
    broker.calls("instances");
    let making = tokio::spawn(async move { outcome(client.create("infusionsoftcrm", &code, name)).await });
    until(async || broker.has_called("instances", "secretsmanager:CreateSecret")).await;
    broker.fail("instances", "dynamodb:UpdateItem", Fault::Fails(400, DENIED, ALWAYS));
    broker.fail("instances", "secretsmanager:CreateSecret", Fault::LosesReply(0));
    let (status, answer) = making.await.unwrap();
    assert!(status == 500 && answer["message"].as_str().unwrap().contains("consent again"), "{answer}");
    assert_eq!(visible(&broker).await, 1);
}

#[tokio::test]
async fn a_function_that_dies_in_the_middle_shows_nothing_half() {
    for action in ["dynamodb:PutItem", "secretsmanager:CreateSecret"] {
        let mut broker = Broker::start(&[]).await;
        broker.client.instance("infusionsoftcrm", "Warm").await;
        broker.calls("instances");
        let code = broker.client.code("infusionsoftcrm").await;
        broker.fail("instances", action, Fault::Hangs);
        let client = broker.client.clone();
        let making =
            tokio::spawn(async move { outcome(client.create("infusionsoftcrm", &code, "Half")).await.0 });
        until(async || broker.has_called("instances", action)).await;
        broker.kill().await;
        assert_eq!(making.await.unwrap(), 502, "the gateway's own answer");
        broker.restart().await;
        assert_eq!(visible(&broker).await, 1, "{action}");
    }
}

#[tokio::test]
async fn a_refresh_rides_out_a_vault_that_is_throttled_ten_times_after_the_vendor_answered() {
    for (action, fault) in [
        ("secretsmanager:PutSecretValue", Fault::Fails(400, THROTTLED, 10)),
        ("secretsmanager:PutSecretValue", Fault::LosesReply(1)),
        ("dynamodb:UpdateItem", Fault::LosesReply(1)),
    ] {
        let broker = Broker::start(&[]).await;
        broker.client.instance("infusionsoftcrm", "Refreshed").await;
        broker.fail("instances", action, fault.clone());
        let again = broker.client.call(Method::PUT, "/instances/1?reAuthenticate=true");
        let (status, answer) = outcome(again).await;
        assert_eq!(status, 200, "{action} {fault:?}: {answer}");
        let access = broker.client.access_token(&1.into()).await;
        assert_eq!(broker.client.userinfo(&access).await, 200);
        assert_eq!(broker.stats().await["refreshes"], 1, "{action}: one refresh");
    }
}
