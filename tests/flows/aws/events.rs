//! Events that hold what no text may hold are answered.

use serde_json::json;
use tests::broker::Broker;

use crate::both::odd_requests::{OAUTH_URL, answer_of, in_shape};

#[tokio::test]
async fn events_with_odd_strings_are_answered() {
    let broker = Broker::start(&[]).await;
    let function = broker.function("oauth-url");
    let event = |odd: &str, value: &str| {
        let usual = json!({
            "rawPath": OAUTH_URL,
            "rawQueryString": "apiKey=k&callbackUrl=https%3A%2F%2Fa.example",
            "headers": {"host": "h.example", "user-agent": "PLACE a header"},
            "cookies": ["a=b", "PLACE a cookie"],
            "requestContext": {"domainName": "h.example", "http": {"method": "GET", "userAgent": "PLACE a header"}},
            "queryStringParameters": {"PLACE a name": "PLACE a value"},
            "isBase64Encoded": false,
        });
        usual.to_string().replace(&format!("PLACE {odd}"), value).into_bytes()
    };
    for odd in ["a header", "a cookie", "a name", "a value"] {
        for value in
            [r"a\ud800b", r"\udfff\ud800", r"a\nb", r"a\u0000b", r"Beno\xEEt", "Beno\u{ee}t", r"\u12"]
        {
            let answer = answer_of(function, event(odd, value)).await;
            assert_eq!(in_shape(answer).0, 200, "{odd} {value}");
        }
    }
    let latin1 = event("a header", "Beno@t").into_iter().map(|byte| if byte == b'@' { 0xEE } else { byte });
    let answer = answer_of(function, latin1.collect()).await;
    assert_eq!(in_shape(answer).0, 200);
    for event in
        ["{}", "null", "{\"rawPath\":", r#"{"rawPath": "x", "requestContext": {"http": {"method": "GET"}}}"#]
    {
        let answer = answer_of(function, event.into()).await;
        assert_eq!(in_shape(answer).0, 400, "{event}");
    }
}
