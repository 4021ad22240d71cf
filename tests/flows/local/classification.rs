//! What a vendor's refusal means for a grant: every error that descriptors name, and those that were seen.

use std::sync::Arc;

use broker::Broker;
use tests::Status as _;
use tests::machine::{Machine, ask, create};
use tests::told::Told;
use vendors::catalogue::{Catalogue, read_folder};
use vendors::descriptor::{Permanent, PermanentError};

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// The grant has ended.
    Dead,
    /// The client must be corrected; the grant lives.
    Client,
    /// It passes.
    Passing,
    /// The vendor may have acted.
    Doubt,
}

/// Refreshes at a vendor that has these permanent errors and answers so, and tells what came of it.
async fn refreshed(errors: &[PermanentError], status: &str, body: &str) -> Means {
    let (told, _guard) = Told::listen();
    let machine = Machine::new().await;
    let mut element = read_folder(machine.vendor.elements.path()).unwrap().remove(0);
    element.oauth2.as_mut().unwrap().permanent_errors = errors.to_vec();
    let broker = Broker { catalogue: Arc::new(Catalogue::default().with([element])), ..machine.sound() };
    create(&broker).await.unwrap();
    machine.pass(61);
    machine.vendor.answers(status, "", body);
    let refused = ask(&broker, &machine.instance().await).await.err().unwrap();
    let (account, doubted) = (machine.account().await, machine.grant().await.unwrap().asking_owner.is_some());
    let means = match (account.is_dead(), doubted, told.count("ClientRefused")) {
        (true, false, 0) => Means::Dead,
        (false, false, 1) => Means::Client,
        (false, false, 0) => Means::Passing,
        (false, true, 0) => Means::Doubt,
        odd => panic!("{status} {body}: {odd:?}"),
    };
    assert_eq!(told.count("GrantDead"), usize::from(means == Means::Dead), "{status} {body}");
    let statuses: &[u16] = match means {
        Means::Dead | Means::Client => &[409],
        Means::Passing => &[502, 503],
        Means::Doubt => &[502, 504],
    };
    assert!(statuses.contains(&refused.status().as_u16()), "{status} {body}: {refused}");
    means
}

#[tokio::test]
async fn every_error_of_every_descriptor_means_what_it_says() {
    let catalogue = Catalogue::built_in();
    let mut checked = 0;
    for element in catalogue.elements() {
        let Some(oauth2) = &element.oauth2 else { continue };
        for error in &oauth2.permanent_errors {
            let status = format!("{} Refused", error.status.unwrap_or(400));
            let description = error.description.clone().unwrap_or_default();
            let code = error.error.as_deref().unwrap_or("invalid_request");
            let body = serde_json::json!({"error": code, "error_description": format!("The {description}!")});
            let expected = match error.means {
                Permanent::DeadGrant => Means::Dead,
                Permanent::BadClient => Means::Client,
            };
            let means = refreshed(&oauth2.permanent_errors, &status, &body.to_string()).await;
            assert_eq!(means, expected, "{}: {status} {body}", element.identity.key);
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[tokio::test]
async fn what_was_seen_of_keap_means_what_it_did() {
    let catalogue = Catalogue::built_in();
    let keap = &catalogue.find("infusionsoftcrm").unwrap().oauth2.as_ref().unwrap().permanent_errors;
    for (status, code, description, expected) in [
        ("400 Bad Request", "invalid_grant", "Invalid refresh token", Means::Dead),
        ("400 Bad Request", "invalid_request", "Invalid Refresh Token", Means::Dead),
        ("400 Bad Request", "invalid_grant", "Authorization code is invalid", Means::Dead),
        ("401 Unauthorized", "invalid_grant", "Unable to authenticate username and password", Means::Client),
        ("400 Bad Request", "invalid_request", "Missing parameter", Means::Passing),
    ] {
        let body = format!(r#"{{"error":"{code}","error_description":"{description}"}}"#);
        assert_eq!(refreshed(keap, status, &body).await, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn what_every_vendor_may_say_is_understood() {
    for (status, body, expected) in [
        ("429 Too Many Requests", "Quota Exceeded", Means::Passing),
        ("503 Service Unavailable", "<html>maintenance</html>", Means::Passing),
        ("500 Internal Server Error", "{}", Means::Doubt),
        ("502 Bad Gateway", "", Means::Doubt),
        ("504 Gateway Timeout", "", Means::Doubt),
        ("200 OK", "<html>login</html>", Means::Doubt),
        ("200 OK", "{}", Means::Doubt),
        ("302 Found", "", Means::Doubt),
        ("403 Forbidden", "<html>a firewall</html>", Means::Passing),
        ("404 Not Found", "", Means::Passing),
        ("400 Bad Request", r#"{"error":"invalid_grant"}"#, Means::Dead),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, Means::Client),
        ("400 Bad Request", r#"{"error":"invalid_client"}"#, Means::Client),
        ("400 Bad Request", r#"{"error":"unauthorized_client"}"#, Means::Client),
        ("400 Bad Request", r#"{"error":"invalid_request"}"#, Means::Passing),
        ("400 Bad Request", r#"{"error":"unsupported_grant_type"}"#, Means::Passing),
        ("400 Bad Request", r#"{"error":"invalid_scope"}"#, Means::Passing),
        ("400 Bad Request", r#"{"error":"slow_down"}"#, Means::Passing),
        ("400 Bad Request", r#"{"error":"temporarily_unavailable"}"#, Means::Passing),
    ] {
        assert_eq!(refreshed(&[], status, body).await, expected, "{status} {body}");
    }
}
