//! Secrets Manager or DynamoDB throttled, slow, down, denying, silent, or the function dying in the middle:
//! the answer is right, nothing that the vendor gave is lost silently, nothing half is visible. These
//! tests are for the functions, `VALETKEY_STACK=lambda`.

use std::sync::atomic::{AtomicUsize, Ordering};
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
    let (broker, status, answer, retry) =
        create_with("dynamodb:PutItem", Fault::Fails(400, DENIED, ALWAYS)).await;
    assert_eq!((status, retry.as_deref()), (503, Some("1")), "{answer}");
    assert_eq!(broker.stats().await["exchanges"], 1);
}

#[tokio::test]
async fn while_secrets_manager_refuses_tokens_stay_sealed_in_the_table_and_are_moved_later() {
    for fault in [Fault::Fails(400, DENIED, ALWAYS), Fault::Fails(400, THROTTLED, ALWAYS), Fault::Hangs] {
        let (broker, status, answer, _) = create_with("secretsmanager:CreateSecret", fault.clone()).await;
        assert_eq!((status, visible(&broker).await), (200, 2), "{fault:?}: {answer}");
        let access = broker.client.access_token(&answer["id"]).await;
        assert_eq!(broker.client.userinfo(&access).await, 200);
        let log = std::fs::read_to_string(broker.log_path()).unwrap();
        assert!(log.contains("tokens stay in the table") && log.contains("CreateSecret"), "{log}");
        let sealed = async || broker.grant(2).await.contains_key("sealed");
        assert!(sealed().await && !broker.grant(1).await.contains_key("sealed"));
        broker.is_due(2).await;
        assert!(broker.sweep().await);
        assert!(!sealed().await, "{fault:?}: the sweep has moved them");
        let access = broker.client.access_token(&answer["id"]).await;
        assert_eq!(broker.client.userinfo(&access).await, 200);
    }
}

#[tokio::test]
async fn a_table_that_denies_what_follows_the_exchange_is_asked_again_and_again_and_reported() {
    // The marker and the pending record are put, the grant is not.
    let fault = Fault::FailsAfter(2, 400, DENIED);
    let (broker, status, answer, _) = create_with("dynamodb:PutItem", fault).await;
    assert!(status == 500 && answer["message"].as_str().unwrap().contains("consent again"), "{answer}");
    assert_eq!((broker.stats().await["revocations"].clone(), visible(&broker).await), (1.into(), 1));
    let tried = broker.calls("instances").iter().filter(|call| *call == "dynamodb:PutItem").count();
    assert!(tried > 5, "{tried} attempts");
    let log = std::fs::read_to_string(broker.log_path()).unwrap();
    assert!(log.contains("what a vendor granted could not be stored") && log.contains(DENIED), "{log}");
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
        // When the tokens are about to move, all else is done.
        let is_whole = action == "secretsmanager:CreateSecret";
        assert_eq!(visible(&broker).await, 1 + usize::from(is_whole), "{action}");
    }
}

#[tokio::test]
async fn a_refresh_rides_out_a_table_that_is_throttled_ten_times_after_the_vendor_answered() {
    for (action, fault) in [
        ("dynamodb:UpdateItem", Fault::FailsAfter(1, 400, THROTTLED)),
        ("dynamodb:UpdateItem", Fault::LosesReply(2)),
        ("dynamodb:BatchGetItem", Fault::Fails(400, THROTTLED, 2)),
    ] {
        let broker = Broker::start(&[]).await;
        broker.client.instance("infusionsoftcrm", "Refreshed").await;
        broker.fail("instances", action, fault.clone());
        let again = broker.client.call(Method::PUT, "/instances/1?reAuthenticate=true");
        let asking = tokio::spawn(outcome(again));
        if matches!(fault, Fault::FailsAfter(..)) {
            // The SDK makes four attempts a call.
            let tried = AtomicUsize::new(0);
            until(async || {
                let more = broker.calls("instances").iter().filter(|call| *call == action).count();
                tried.fetch_add(more, Ordering::SeqCst) + more > 10
            })
            .await;
            broker.fail("instances", action, Fault::LosesReply(0));
        }
        let (status, answer) = asking.await.unwrap();
        assert_eq!(status, 200, "{action} {fault:?}: {answer}");
        let access = broker.client.access_token(&1.into()).await;
        assert_eq!(broker.client.userinfo(&access).await, 200);
        assert_eq!(broker.stats().await["refreshes"], 1, "{action}: one refresh");
    }
}
