//! What is odd in a vendor's answer loses no grant. The vendor here has spent the old refresh token, and ends a grant whose
//! token comes twice.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::Broker;
use broker::grant::keep;
use broker::record::unsaved::Unsaved;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tests::Status as _;
use tests::family::{Family, Habit};
use tests::machine::{Machine, access_of, ask, create};
use tests::stores::plan::{Fault, Plan};

/// Changes the body of an answer; what it gives goes into the head.
type Odd = fn(Value) -> (&'static str, Vec<u8>);

fn with(mut members: Value, name: &str, value: Value) -> Value {
    members[name] = value;
    members
}

fn without(mut members: Value, name: &str) -> Value {
    members.as_object_mut().unwrap().remove(name);
    members
}

/// Answers that have both tokens, whatever else is odd.
const WHOLE: [(&str, Odd); 9] = [
    ("gzip", |members| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(members.to_string().as_bytes()).unwrap();
        ("content-encoding: gzip\r\n", packed.finish().unwrap())
    }),
    ("a byte order mark", |members| ("", [b"\xef\xbb\xbf", members.to_string().as_bytes()].concat())),
    ("ISO 8859-1", |members| {
        (
            "",
            with(members, "name", json!("Jos"))
                .to_string()
                .replace("Jos", "Jos\u{e9}")
                .chars()
                .map(|c| c as u8)
                .collect(),
        )
    }),
    ("UTF-16", |members| ("", members.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect())),
    ("half a surrogate pair", |members| {
        ("", with(members, "name", json!("half")).to_string().replace("half", "\\ud83d").into())
    }),
    ("a number out of range", |members| {
        ("", with(members, "big", json!("huge")).to_string().replace("\"huge\"", "1e999").into())
    }),
    ("text behind it", |members| ("", format!("{members}\n<!-- 12 ms -->").into())),
    ("an empty scope", |members| ("", with(members, "scope", json!("")).to_string().into())),
    ("a folded header", |members| ("x-odd: a\r\n b\r\n", members.to_string().into())),
];

/// Answers with a refresh token alone that could be used.
const REFRESH_TOKEN_ALONE: [(&str, Odd); 3] = [
    ("no access token", |members| ("", without(members, "access_token").to_string().into())),
    ("an empty access token", |members| ("", with(members, "access_token", json!("")).to_string().into())),
    ("another type of token", |members| ("", with(members, "token_type", json!("mac")).to_string().into())),
];

/// A strict vendor whose answers are odd while it is told so, with an instance at it.
async fn at_a_vendor(odd: Odd) -> (Machine, Family, Arc<AtomicBool>) {
    let (machine, family) = (Machine::new().await, Family::new(Habit::Strict));
    let (books, is_odd) = (family.clone(), Arc::new(AtomicBool::new(false)));
    let oddly = Arc::clone(&is_odd);
    machine.vendor.answers_by(move |request| {
        let answer = String::from_utf8(books.answer(request)).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let members: Value = serde_json::from_str(body).unwrap();
        if !oddly.load(Ordering::SeqCst) || members.get("error").is_some() {
            return answer.into_bytes();
        }
        let (head, body) = odd(members);
        let head = format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    (machine, family, is_odd)
}

#[tokio::test]
async fn an_answer_with_both_tokens_is_used_whatever_else_is_odd() {
    for (what, odd) in WHOLE {
        let (machine, family, is_odd) = at_a_vendor(odd).await;
        is_odd.store(true, Ordering::SeqCst);
        let made = create(&machine.sound()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        machine.pass(61);
        let live = ask(&machine.sound(), &made).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(family.takes(access_of(&live)) && access_of(&live).ends_with("-2"), "{what}");
        machine.pass(61);
        is_odd.store(false, Ordering::SeqCst);
        ask(&machine.sound(), &made).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(family.reused(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_kept_although_nothing_else_of_its_answer_can_be_used() {
    for (what, odd) in REFRESH_TOKEN_ALONE {
        let (machine, family, is_odd) = at_a_vendor(odd).await;
        let made = create(&machine.sound()).await.unwrap();
        machine.pass(61);
        is_odd.store(true, Ordering::SeqCst);
        let error = ask(&machine.sound(), &made).await.err().unwrap();
        assert!(
            error.status() == 502 && error.to_string().contains("its refresh token is kept"),
            "{what}: {error}"
        );
        is_odd.store(false, Ordering::SeqCst);
        let live = ask(&machine.sound(), &made).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(family.takes(access_of(&live)) && family.reused() == 0, "{what}");
    }
}

#[tokio::test]
async fn a_refresh_token_alone_that_the_table_does_not_take_is_kept_too_and_no_dead_token_is_given_out() {
    for (what, odd) in REFRESH_TOKEN_ALONE {
        let (machine, family, is_odd) = at_a_vendor(odd).await;
        let made = create(&machine.sound()).await.unwrap();
        machine.pass(61);
        is_odd.store(true, Ordering::SeqCst);
        let plan = Plan::at("registry update", 2, Fault::Fails);
        let broker = Broker { unsaved: Some(Unsaved::default()), ..machine.planned(&plan) };
        let error = ask(&broker, &made).await.err().unwrap();
        assert!(error.to_string().contains("its refresh token is kept"), "{what}: {error}");
        is_odd.store(false, Ordering::SeqCst);
        let broker = Broker { unsaved: broker.unsaved, ..machine.sound() };
        assert_eq!(keep::save(&broker).await, 0, "{what}");
        let live = ask(&broker, &made).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(family.takes(access_of(&live)) && family.reused() == 0, "{what}");
    }
}

#[tokio::test]
async fn a_code_whose_answer_has_a_refresh_token_alone_makes_an_instance() {
    for (what, odd) in REFRESH_TOKEN_ALONE {
        let (machine, family, is_odd) = at_a_vendor(odd).await;
        is_odd.store(true, Ordering::SeqCst);
        let made = create(&machine.sound()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        is_odd.store(false, Ordering::SeqCst);
        let live = ask(&machine.sound(), &made).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(family.takes(access_of(&live)) && family.reused() == 0, "{what}");
    }
}

#[tokio::test]
async fn a_refresh_that_does_not_say_how_long_its_token_lives_is_taken_to_say_what_the_last_one_said() {
    for expires_in in ["", r#","expires_in":"soon""#, r#","expires_in":99999999"#] {
        let machine = Machine::new().await;
        let made = create(&machine.sound()).await.unwrap();
        let token = |number: usize| {
            format!(
                r#"{{"access_token":"access{number}","refresh_token":"refresh{number}","token_type":"bearer"{expires_in}}}"#
            )
        };
        for number in [2, 3] {
            machine.pass(61);
            machine.vendor.answers("200 OK", "", &token(number));
            let live = ask(&machine.sound(), &made).await.unwrap();
            assert_eq!(access_of(&live), format!("access{number}"), "{expires_in}");
        }
    }
}

#[tokio::test]
async fn a_vendors_wait_and_its_words_reach_whoever_asks() {
    for (status, head, body, wait, words) in [
        (
            "429 Busy",
            "retry-after: 120\r\n",
            r#"{"fault":{"faultstring":"over quota"}}"#,
            Some(120),
            Some("over quota"),
        ),
        (
            "503 Busy",
            "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:51:37 GMT\r\n",
            "",
            Some(120),
            None,
        ),
        ("400 Slow", "retry-after: 90.5\r\n", r#"{"error":"slow_down"}"#, Some(91), Some("slow_down")),
        ("400 No", "", r#"{"error":"invalid_scope","message":"not that"}"#, None, Some("not that")),
    ] {
        let machine = Machine::new().await;
        let made = create(&machine.sound()).await.unwrap();
        machine.pass(61);
        machine.vendor.answers(status, head, body);
        let error = ask(&machine.sound(), &made).await.err().unwrap();
        assert_eq!((error.retry_after(), error.provider_message()), (wait, words), "{status}: {error}");
        let asked = machine.asked().0;
        if wait.is_some() {
            ask(&machine.sound(), &made).await.err().unwrap();
            assert_eq!(machine.asked().0, asked, "it is left alone");
        }
    }
}
