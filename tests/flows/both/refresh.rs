//! A live access token for whoever asks: refreshed when it is due, once however many ask, and the grant is
//! never lost, wherever the process dies and whatever the vendor answers.

use broker::Broker;
use broker::Error;
use broker::grant::refresh::{Freshness, Live};
use broker::record::grant::Asking;
use secrecy::ExposeSecret;
use tests::Status as _;
use tests::machine::{self, Machine, SECOND, create, rekey};

/// Until the vendor's tokens, which live 60 s, are due; and until they have expired.
const DUE: i64 = 31;
const EXPIRED: i64 = 61;

/// Whoever was asking the vendor has certainly ended after this.
const HAS_ENDED: i64 = 400;

async fn ask(machine: &Machine, broker: &Broker) -> Result<Live, Error> {
    machine::ask(broker, &machine.instance().await).await
}

fn token(live: &Live) -> &str {
    live.tokens.access_token.expose_secret()
}

async fn asking(machine: &Machine) -> Asking {
    machine.grant().await.unwrap().asking(machine.clock.now())
}

/// Makes an instance, lets its token age, and gives the vendor its next answer.
async fn aged(seconds: i64, status: &str, answer: &str) -> Machine {
    let machine = Machine::new().await;
    create(&machine.sound()).await.unwrap();
    machine.pass(seconds);
    machine.vendor.answers(status, "", answer);
    machine
}

#[tokio::test]
async fn a_fresh_token_costs_the_vendor_nothing_and_a_due_one_a_single_request() {
    let machine = aged(DUE - 2, "200 OK", SECOND).await;
    let broker = machine.sound();
    assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "access");
    assert_eq!(machine.asked(), (1, 0), "the exchange alone");
    machine.pass(2);
    let live = ask(&machine, &broker).await.unwrap();
    assert_eq!((token(&live), live.warning.as_deref()), ("second", None));
    assert_eq!(machine.asked(), (2, 0));
    let request = machine.vendor.requests().pop().unwrap();
    assert!(
        request.contains("grant_type=refresh_token") && request.contains("refresh_token=refresh"),
        "{request}"
    );
    let grant = machine.grant().await.unwrap();
    assert_eq!(
        (grant.place(), grant.asking_owner, machine.instance().await.is_valid()),
        ((1, 1), None, true)
    );
    assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "second");
    assert_eq!(machine.asked(), (2, 0));
}

#[tokio::test]
async fn a_token_that_must_last_is_refreshed_up_to_half_its_life() {
    let machine = Machine::new().await;
    // Half its life is longer than the usual margin, which would count otherwise.
    machine.vendor.answers("200 OK", "", &SECOND.replace("60", "10000").replace("second", "access"));
    let broker = machine.sound();
    create(&broker).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    for (left, seconds, expected) in [
        (5_001, 1_000_000, "access"),
        (4_000, 0, "access"),
        (4_000, 3_999, "access"),
        (4_000, 4_000, "second"),
    ] {
        let issued = machine.grant().await.unwrap().access_issued;
        machine.pass(issued + 10_000 - left - machine.clock.now());
        let ask = Freshness::AtLeast(seconds);
        let live = machine::ask_for(&broker, &machine.instance().await, ask).await.unwrap();
        assert_eq!(token(&live), expected, "{left} s are left, {seconds} s are asked for");
    }
}

#[tokio::test]
async fn a_fresh_token_is_refreshed_for_who_asks_for_a_new_one() {
    let machine = aged(10, "200 OK", SECOND).await;
    let broker = machine.sound();
    assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "access");
    let live = machine::ask_for(&broker, &machine.instance().await, Freshness::Force).await.unwrap();
    assert_eq!(token(&live), "second");
}

#[tokio::test]
async fn of_many_callers_at_once_one_asks_the_vendor_and_all_get_the_same_token() {
    for aged_by in [DUE, EXPIRED] {
        let machine = aged(aged_by, "200 OK", SECOND).await;
        let apps: Vec<_> = (0..64).map(|_| machine.sound()).collect();
        let asked = futures_util::future::join_all(apps.iter().map(|broker| ask(&machine, broker))).await;
        let tokens: Vec<_> = asked.iter().map(|live| token(live.as_ref().unwrap()).to_owned()).collect();
        assert_eq!(machine.asked(), (2, 0), "one exchange, one refresh");
        if aged_by == EXPIRED {
            assert!(tokens.iter().all(|token| token == "second"), "{tokens:?}");
        }
        assert!(asked.iter().all(|live| live.as_ref().unwrap().warning.is_none()));
    }
}

#[tokio::test]
async fn while_the_vendor_is_in_trouble_the_valid_token_is_given_out() {
    for (status, answer) in [
        ("500 Failed", "{}"),
        ("503 Unavailable", "{}"),
        ("429 Too Many Requests", "{}"),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#),
        ("400 Bad Request", r#"{"error":"temporarily_odd"}"#),
        ("200 OK", "<html>"),
    ] {
        let machine = aged(DUE, status, answer).await;
        let broker = machine.sound();
        let live = ask(&machine, &broker).await.unwrap();
        assert_eq!((token(&live), live.warning.is_some()), ("access", true), "{status} {answer}");
        assert!(machine.instance().await.is_valid(), "{status}: nothing is expired by it");
        machine.pass(HAS_ENDED);
        machine.vendor.answers("200 OK", "", SECOND);
        assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "second", "{status}: and then it goes on");
    }
}

#[tokio::test]
async fn a_busy_vendor_is_left_alone_as_long_as_it_says() {
    let machine = aged(EXPIRED, "503 Unavailable", "{}").await;
    machine.vendor.answers("503 Unavailable", "retry-after: 30\r\n", "{}");
    let broker = machine.sound();
    for _ in 0..3 {
        let error = ask(&machine, &broker).await.err().unwrap();
        assert_eq!((error.status().as_u16(), error.retry_after()), (503, Some(30)));
    }
    assert_eq!(machine.asked().0, 2, "it was asked once");
    machine.pass(30);
    machine.vendor.answers("200 OK", "", SECOND);
    assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "second");
}

#[tokio::test]
async fn a_dead_grant_is_asked_about_once_and_says_what_to_do() {
    let machine = aged(EXPIRED, "400 Bad Request", r#"{"error":"invalid_grant"}"#).await;
    let broker = machine.sound();
    let error = ask(&machine, &broker).await.err().unwrap();
    assert!(error.status() == 409 && error.to_string().contains("consent again"), "{error}");
    assert!(!machine.instance().await.is_valid());
    assert_eq!(machine.grant().await.unwrap().asking_owner, None);
    assert_eq!(machine.asked().0, 2);
}

#[tokio::test]
async fn doubt_is_written_down_and_one_further_attempt_is_final() {
    let doubtful = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"access_token\":";
    let machine = aged(DUE, "200 OK", SECOND).await;
    machine.vendor.answers_raw(doubtful.into());
    let broker = machine.sound();
    let live = ask(&machine, &broker).await.unwrap();
    assert_eq!((token(&live), live.warning.is_some()), ("access", true));
    assert_eq!(asking(&machine).await, Asking::Running);
    for _ in 0..3 {
        assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "access");
    }
    assert_eq!(machine.asked().0, 2, "while the token is valid the vendor is not asked again");
    machine.pass(EXPIRED - DUE);
    let error = ask(&machine, &broker).await.err().unwrap();
    assert_eq!(error.status(), 503, "the request may still be on its way: {error}");
    assert_eq!(machine.asked().0, 2);
    machine.pass(HAS_ENDED);
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    assert_eq!(ask(&machine, &broker).await.err().unwrap().status(), 409, "its verdict is final");
    assert!(!machine.instance().await.is_valid());
}

#[tokio::test]
async fn a_token_without_a_refresh_token_serves_until_it_expires() {
    let machine = Machine::new().await;
    machine.vendor.answers("200 OK", "", r#"{"access_token":"only","expires_in":60}"#);
    let broker = machine.sound();
    create(&broker).await.unwrap();
    machine.pass(EXPIRED - 2);
    let live = ask(&machine, &broker).await.unwrap();
    assert_eq!((token(&live), live.warning.as_deref()), ("only", None));
    machine.pass(2);
    let error = ask(&machine, &broker).await.err().unwrap();
    assert!(error.status() == 409 && error.to_string().contains("no refresh token"), "{error}");
    assert_eq!(machine.asked().0, 1);
}

#[tokio::test]
async fn a_change_of_the_configuration_meanwhile_is_not_taken_for_a_new_token() {
    let machine = aged(EXPIRED, "200 OK", SECOND).await;
    let (broker, before) = (machine.sound(), machine.instance().await);
    rekey(&broker, &before).await.unwrap();
    for ask in [Freshness::AtLeast(0), Freshness::Force] {
        let live = machine::ask_for(&broker, &before, ask).await.unwrap();
        assert_eq!(token(&live), "second", "{ask:?}");
    }
}

#[tokio::test]
async fn a_grant_that_a_wrong_client_has_killed_lives_again_when_the_client_is_corrected() {
    let machine = aged(EXPIRED, "400 Bad Request", r#"{"error":"invalid_grant"}"#).await;
    let broker = machine.sound();
    assert_eq!(ask(&machine, &broker).await.err().unwrap().status(), 409);
    rekey(&broker, &machine.instance().await).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "second");
}

#[tokio::test]
async fn tokens_of_another_client_are_served_and_never_sent_with_a_client_that_they_were_not_given_to() {
    let machine = aged(DUE, "200 OK", SECOND).await;
    let broker = machine.sound();
    machine::set(&broker, &machine.instance().await, "oauth.api.key", "another").await.unwrap();
    let live = ask(&machine, &broker).await.unwrap();
    assert_eq!((token(&live), live.warning.is_some()), ("access", true));
    machine.pass(EXPIRED);
    let error = ask(&machine, &broker).await.err().unwrap();
    assert!(error.status() == 409 && error.to_string().contains("oauth.api.key"), "{error}");
    assert_eq!(machine.asked().0, 1, "the vendor would refuse them");
    machine::set(&broker, &machine.instance().await, "oauth.api.key", tests::client::API_KEY).await.unwrap();
    assert_eq!(token(&ask(&machine, &broker).await.unwrap()), "second", "the client is set back");
}
