//! What is done when nobody calls: grants are kept alive, doubts end, and what a crash has left is finished.

use broker::grant::delete;
use broker::grant::obtain::GrantSource;
use broker::grant::refresh::Freshness;
use broker::id::InstanceId;
use broker::record::grant::{self, Asking, Grant};
use broker::record::instance::{self, State};
use broker::store::records::{Change, DUE, Key};
use secrecy::ExposeSecret;
use tests::Status as _;
use tests::faults::lives::callback;
use tests::machine::{Machine, SECOND, ask_for, create, create_of};
use tests::stores::plan::{Fault, Plan};
use tests::told::Told;

/// How long the vendor's refresh tokens live, in seconds: Keap's 45 days.
const LIFE: i64 = 3_888_000;
const LIVES: &str = "lifetime = 3888000";

/// Until the vendor's access tokens have expired, which live 60 s.
const EXPIRED: i64 = 61;

/// A doubtful request has ended after this, whatever clocks say.
const DOUBT_ENDS: i64 = 361;

/// Makes an instance at a vendor with these habits, which answers a refresh.
async fn machine(habits: &str) -> Machine {
    let machine = Machine::with(habits).await;
    create(&machine.sound()).await.unwrap();
    machine.vendor.answers("200 OK", "", SECOND);
    machine
}

async fn token(machine: &Machine) -> String {
    machine.access_token().await
}

/// Gives the grant with the id 1.
async fn grant(machine: &Machine) -> Grant {
    machine.grant().await.unwrap()
}

#[tokio::test]
async fn a_grant_that_nobody_uses_is_refreshed_at_half_its_life_and_no_sooner() {
    let machine = machine(LIVES).await;
    instance::switch(&machine.registry, &machine.instance().await, false).await.unwrap();
    machine.pass(LIFE * 39 / 100);
    let report = machine.sweep().await;
    assert_eq!((report.looked_at, machine.asked().0), (0, 1), "nothing is due");
    machine.pass(LIFE * 12 / 100);
    let report = machine.sweep().await;
    assert_eq!((report.looked_at, report.refreshed, report.oldest), (1, 1, 0), "a disabled one, too");
    assert_eq!((token(&machine).await.as_str(), machine.asked().0), ("second", 2));
    let kept = grant(&machine).await;
    assert_eq!(kept.refresh_expires, Some(machine.clock.now() + LIFE));
    assert_eq!(machine.sweep().await.looked_at, 0);
    for year in 1..=10 {
        machine.pass(LIFE * 51 / 100);
        assert_eq!(machine.sweep().await.refreshed, 1, "and so it goes on, {year}");
    }
}

#[tokio::test]
async fn a_grant_that_wants_nothing_is_looked_at_four_times_a_year() {
    let machine = machine("").await;
    let quarter = 90 * 86_400;
    for _ in 0..3 {
        assert_eq!(grant(&machine).await.due, Some(machine.clock.now() + quarter));
        machine.pass(quarter - 1);
        assert_eq!(machine.sweep().await.looked_at, 0);
        machine.pass(1);
        assert_eq!(machine.sweep().await.looked_at, 1);
    }
    assert_eq!(machine.asked().0, 1, "the vendor is not asked");
}

#[tokio::test]
async fn a_warm_element_is_refreshed_before_every_expiry() {
    let machine = machine("warm = true").await;
    machine.pass(29);
    assert_eq!(machine.sweep().await.looked_at, 0);
    machine.pass(1);
    assert_eq!(machine.sweep().await.refreshed, 1, "half the token's life is left");
    let live = ask_for(&machine.sound(), &machine.instance().await, Freshness::AtLeast(0)).await;
    assert_eq!(live.unwrap().tokens.access_token.expose_secret(), "second");
    assert_eq!(machine.asked().0, 2, "whoever asks does not wait for the vendor");
}

#[tokio::test]
async fn what_cannot_be_prolonged_is_warned_of_once_and_its_end_is_found_out() {
    let machine = machine("lifetime = 3888000\nlifetime_from = \"consent\"").await;
    let end = grant(&machine).await.refresh_expires.unwrap();
    machine.pass(LIFE - 7 * 86_400);
    assert_eq!((machine.sweep().await.looked_at, machine.asked().0), (1, 1));
    assert_eq!(grant(&machine).await.warned, Some(end));
    assert_eq!(machine.sweep().await.looked_at, 0, "once");
    machine.pass(7 * 86_400);
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    machine.sweep().await;
    assert_eq!((machine.instance().await.is_valid(), grant(&machine).await.due), (false, None));
    assert_eq!(machine.asked().0, 2);
    machine.pass(LIFE);
    assert_eq!(machine.sweep().await.looked_at, 0, "a dead grant is left in peace");
}

#[tokio::test]
async fn an_end_that_the_vendor_does_not_keep_to_is_not_asked_about_for_ever() {
    let machine = machine("lifetime = 3888000\nlifetime_from = \"consent\"").await;
    machine.pass(LIFE);
    assert_eq!(machine.sweep().await.refreshed, 1, "it lives on");
    assert_eq!(grant(&machine).await.refresh_expires, None);
}

#[tokio::test]
async fn a_grant_that_is_refused_without_a_word_is_asked_about_ever_more_seldom() {
    let machine = machine(LIVES).await;
    machine.vendor.answers("404 Not Found", "", "<html>no such account</html>");
    machine.pass(LIFE * 51 / 100);
    for (wait, expected) in [(0, 48), (LIFE, 2)] {
        machine.pass(wait);
        let mut asked = 0;
        for _ in 0..48 {
            asked += machine.sweep().await.failed;
            machine.pass(3_600);
        }
        assert_eq!(asked, expected, "in two days, {wait} s later");
    }
}

#[tokio::test]
async fn a_warm_element_is_tried_again_before_its_token_ends() {
    let machine = machine("lifetime = 3888000\nwarm = true").await;
    let hour = SECOND.replace(":60}", ":3600}");
    machine.vendor.answers("200 OK", "", &hour);
    machine.pass(31);
    assert_eq!(machine.sweep().await.refreshed, 1);
    machine.vendor.answers("503 Unavailable", "", "{}");
    machine.pass(2_700);
    assert_eq!(machine.sweep().await.failed, 1);
    machine.vendor.answers("200 OK", "", &hour);
    machine.pass(120);
    assert_eq!(machine.sweep().await.refreshed, 1, "long before the quarter of an hour is over");
}

#[tokio::test]
async fn the_warning_of_an_end_is_not_repeated_by_refreshes() {
    let (told, _guard) = Told::listen();
    let machine = machine("lifetime = 3888000\nlifetime_from = \"consent\"").await;
    machine.pass(LIFE - 7 * 86_400);
    for _ in 0..5 {
        machine.sweep().await;
        let broker = machine.sound();
        ask_for(&broker, &machine.instance().await, Freshness::AtLeast(0)).await.unwrap();
        machine.pass(3_600);
    }
    assert_eq!(told.count("GrantExpiring"), 1);
}

#[tokio::test]
async fn a_refresh_after_the_consent_does_not_prolong_what_counts_from_it() {
    let machine = machine("lifetime = 3888000\nlifetime_from = \"consent\"").await;
    let end = grant(&machine).await.refresh_expires;
    machine.pass(EXPIRED);
    ask_for(&machine.sound(), &machine.instance().await, Freshness::AtLeast(0)).await.unwrap();
    assert_eq!((grant(&machine).await.refresh_expires, grant(&machine).await.place()), (end, (1, 1)));
}

#[tokio::test]
async fn a_token_that_nothing_can_replace_is_not_called_valid_after_its_end() {
    let machine = Machine::new().await;
    machine.vendor.answers("200 OK", "", r#"{"access_token":"only","expires_in":86400}"#);
    create(&machine.sound()).await.unwrap();
    machine.pass(86_400 * 3 / 4);
    machine.sweep().await;
    let warned = grant(&machine).await;
    assert_eq!((machine.instance().await.is_valid(), warned.warned), (true, warned.access_expires));
    machine.pass(86_400 / 4);
    machine.sweep().await;
    assert_eq!((machine.instance().await.is_valid(), grant(&machine).await.due), (false, None));
    assert_eq!(machine.asked().0, 1);
}

#[tokio::test]
async fn what_fails_is_tried_again_later_and_the_owner_is_warned_before_the_end() {
    let machine = machine(LIVES).await;
    machine.vendor.answers("500 Failed", "", "{}");
    machine.pass(LIFE * 51 / 100);
    let report = machine.sweep().await;
    assert!(report.failed == 1 && report.oldest > 0, "what is not done is told: {report:?}");
    assert_eq!(machine.sweep().await.looked_at, 0, "not at once");
    let asked = machine.asked().0;
    machine.pass(3_600);
    assert_eq!((machine.sweep().await.failed, machine.asked().0), (1, asked + 1), "but within the hour");
    let end = grant(&machine).await.refresh_expires.unwrap();
    machine.pass(end - 6 * 86_400 - machine.clock.now());
    machine.sweep().await;
    assert_eq!(grant(&machine).await.warned, Some(end));
    machine.vendor.answers("200 OK", "", SECOND);
    machine.pass(3_600);
    assert_eq!(machine.sweep().await.refreshed, 1);
    assert!(machine.instance().await.is_valid());
}

#[tokio::test]
async fn sweeps_and_callers_at_once_refresh_once() {
    let machine = machine("lifetime = 3888000\nwarm = true").await;
    machine.pass(EXPIRED);
    let (broker, instance) = (machine.sound(), machine.instance().await);
    let sweeps = futures_util::future::join_all((0..4).map(|_| machine.sweep()));
    let calls = (0..16).map(|_| ask_for(&broker, &instance, Freshness::AtLeast(0)));
    let (_, answers) = tokio::join!(sweeps, futures_util::future::join_all(calls));
    for live in answers {
        assert_eq!(live.unwrap().tokens.access_token.expose_secret(), "second");
    }
    assert_eq!(machine.asked().0, 2, "one exchange, one refresh");
}

#[tokio::test]
async fn a_doubt_ends_by_one_further_attempt_although_nobody_asks() {
    let machine = machine(LIVES).await;
    machine.vendor.answers_raw("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".into());
    machine.pass(EXPIRED);
    let asked = ask_for(&machine.sound(), &machine.instance().await, Freshness::AtLeast(0)).await;
    assert_eq!(asked.err().unwrap().status(), 504);
    assert_eq!(grant(&machine).await.asking(machine.clock.now()), Asking::Running);
    assert_eq!(machine.sweep().await.looked_at, 0, "the request may still be on its way");
    machine.vendor.answers("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
    machine.pass(DOUBT_ENDS);
    machine.sweep().await;
    assert_eq!((machine.instance().await.is_valid(), machine.asked().0), (false, 3));
}

#[tokio::test]
async fn an_import_that_died_before_its_first_refresh_is_finished_by_whoever_comes() {
    let brought = || GrantSource::RefreshToken("brought".to_owned().into());
    for by_the_sweep in [false, true] {
        // Dies when the grant is there.
        let (machine, plan) = (Machine::with(LIVES).await, Plan::at("registry insert", 3, Fault::StopAfter));
        plan.stops_in(create_of(&machine.planned(&plan), brought())).await;
        let early = create_of(&machine.sound(), brought()).await.unwrap_err();
        assert_eq!((early.status().as_u16(), machine.asked().0), (409, 0), "{early}");
        machine.pass(DOUBT_ENDS);
        if by_the_sweep {
            machine.sweep().await;
        } else {
            create_of(&machine.sound(), brought()).await.unwrap();
        }
        assert_eq!(
            (token(&machine).await.as_str(), machine.asked(), machine.visible().await),
            ("access", (1, 0), 1)
        );
        assert_eq!(grant(&machine).await.refresh_expires, Some(machine.clock.now() + LIFE));
    }
}

#[tokio::test]
async fn a_token_that_the_vendor_did_not_take_can_be_imported_again_at_once() {
    let brought = || GrantSource::RefreshToken("brought".to_owned().into());
    let machine = Machine::with(LIVES).await;
    for (status, answer) in [
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#),
        ("429 Too Many Requests", ""),
        ("503 Unavailable", ""),
        ("400 Bad Request", r#"{"error":"invalid_grant"}"#),
    ] {
        machine.vendor.answers(status, "", answer);
        create_of(&machine.sound(), brought()).await.unwrap_err();
        assert_eq!(
            (machine.visible().await, machine.asked().1),
            (0, 0),
            "{status}: nothing is made or revoked"
        );
    }
    machine.vendor.answers("200 OK", "", SECOND);
    let made = create_of(&machine.sound(), brought()).await.unwrap();
    assert_eq!((made.id.0, machine.asked()), (5, (5, 0)));
    let again = create_of(&machine.sound(), brought()).await.unwrap();
    assert_eq!((again.id, machine.asked()), (made.id, (5, 0)), "the repeat is answered");
}

#[tokio::test]
async fn a_deletion_that_fails_is_put_off_and_not_forgotten() {
    let (machine, plan) = (Machine::new().await, Plan::at("registry remove", 1, Fault::StopBefore));
    let made = create(&machine.sound()).await.unwrap();
    plan.stops_in(delete::remove(&machine.planned(&plan), &made)).await;
    machine.pass(61);
    let broken = machine.planned(&Plan::at("registry remove", 1, Fault::FailsOnce));
    let report = broker::grant::sweep::sweep(&broken, &sweep::LIMITS, &|| true).await.unwrap();
    assert_eq!((report.failed, machine.record().await.unwrap().state), (1, State::Deleting));
    assert_eq!(machine.sweep().await.looked_at, 0);
    machine.pass(601);
    assert_eq!(machine.sweep().await.finished, 1);
    assert!(machine.record().await.is_none() && machine.grant().await.is_none());
}

#[tokio::test]
async fn a_vendor_that_is_down_is_asked_three_times_a_pass_and_the_rest_stays_due() {
    let machine = Machine::with(LIVES).await;
    for _ in 0..10 {
        create(&machine.sound()).await.unwrap();
    }
    machine.vendor.answers("500 Failed", "", "{}");
    machine.pass(LIFE * 61 / 100);
    let report = machine.sweep().await;
    assert_eq!((report.looked_at, report.failed, machine.asked().0), (3, 3, 13));
    assert!(report.oldest > 0, "{report:?}");
    machine.vendor.answers("200 OK", "", SECOND);
    let report = machine.sweep().await;
    assert_eq!((report.refreshed, report.oldest), (7, 0), "those that failed wait: {report:?}");
    machine.pass(3_600);
    assert_eq!(machine.sweep().await.refreshed, 3);
}

#[tokio::test]
async fn grants_that_are_refused_one_by_one_hold_up_nobody() {
    let machine = Machine::with(LIVES).await;
    for _ in 0..20 {
        create(&machine.sound()).await.unwrap();
    }
    machine.vendor.answers("404 Not Found", "", "<html>no such account</html>");
    machine.pass(LIFE * 61 / 100);
    let report = machine.sweep().await;
    assert_eq!((report.looked_at, report.failed), (20, 20), "{report:?}");
}

#[tokio::test]
async fn a_pass_that_has_to_end_leaves_the_rest_to_the_next() {
    let machine = Machine::with(LIVES).await;
    for _ in 0..5 {
        create(&machine.sound()).await.unwrap();
    }
    machine.vendor.answers("200 OK", "", SECOND);
    machine.pass(LIFE * 61 / 100);
    let twice = std::sync::atomic::AtomicUsize::new(0);
    let ends = || twice.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
    let report = broker::grant::sweep::sweep(&machine.sound(), &sweep::LIMITS, &ends).await.unwrap();
    assert!(report.refreshed < 5 && report.oldest > 0, "{report:?}");
    assert_eq!(machine.sweep().await.refreshed, 5 - report.refreshed);
}

#[tokio::test]
async fn a_wrong_time_on_the_agenda_costs_a_look_and_is_corrected() {
    let machine = machine(LIVES).await;
    let due = grant(&machine).await.due;
    let wrong = Change::default().set(DUE, 5);
    machine.registry.update(&grant::key(InstanceId(1)), wrong).await.unwrap();
    assert_eq!(machine.sweep().await.looked_at, 1);
    assert_eq!((grant(&machine).await.due, machine.asked().0), (due, 1));
}

#[tokio::test]
async fn an_instance_whose_app_lost_its_secret_is_reported_at_each_pass_and_says_nothing_of_the_vendor() {
    let machine = Machine::with(LIVES).await;
    let visit = callback::visit(&machine, callback::link_of_app(&machine).await).await;
    assert_eq!(callback::come_back(&machine.sound(), &visit).await, 200);
    let app = machine.instance().await.app.unwrap();
    let key = Key::new("user#1", format!("app#{app}"));
    machine.registry.remove(&key, vec![]).await.unwrap();
    machine.pass(LIFE * 51 / 100);
    let asked = machine.asked();
    for pass in 1..=2 {
        let (told, _guard) = Told::listen();
        let report = machine.sweep().await;
        assert_eq!(
            (report.failed, report.oldest > 0),
            (1, true),
            "pass {pass}: the alarm of the oldest due sees it"
        );
        let causes = told.values("cause");
        assert!(
            causes.iter().any(|cause| cause.contains("AppIncomplete") && cause.contains(&app.0)),
            "{causes:?}"
        );
        assert_eq!(told.count("GrantDead"), 0);
        machine.pass(3_700);
    }
    assert_eq!(machine.asked(), asked, "the vendor is not asked");
    let asked = ask_for(&machine.sound(), &machine.instance().await, Freshness::Force).await;
    let error = asked.err().unwrap();
    assert!(
        error.status() == 409 && error.to_string().contains(&format!("PUT /elements/{{keyOrId}}/apps/{app}")),
        "{error}"
    );
}

#[tokio::test]
async fn an_instance_without_the_refresh_token_that_its_record_promises_is_reported() {
    let machine = Machine::with("warm = true").await;
    machine.vendor.answers(
        "200 OK",
        "",
        r#"{"access_token":"access","token_type":"bearer","expires_in":60}"#,
    );
    create(&machine.sound()).await.unwrap();
    let due = Change::default().set("refreshable", true).set(DUE, machine.clock.now());
    machine.registry.update(&grant::key(InstanceId(1)), due).await.unwrap();
    machine.pass(EXPIRED);
    let (told, _guard) = Told::listen();
    let report = machine.sweep().await;
    let causes = told.values("cause");
    assert!(causes.iter().any(|cause| cause.contains("NoRefreshToken")), "{causes:?}");
    assert_eq!((report.failed, report.oldest > 0, told.count("GrantDead")), (1, true, 0));
}
