//! Which events are logged: those of our own crates. A library's events may contain secrets.

/// Our own crates, by name.
pub const CRATES: [&str; 13] = [
    "aws",
    "broker",
    "connect",
    "elements",
    "instances",
    "oauth_callback",
    "oauth_url",
    "payloads",
    "sweep",
    "users",
    "valetkey",
    "vendors",
    "web",
];

/// Tells whether an event's target is in one of our own crates.
pub fn is_ours(target: &str) -> bool {
    target.split("::").next().is_some_and(|name| CRATES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_librarys_events_are_not_ours_however_it_is_called() {
        for ours in ["aws::vault", "web", "broker::grant::sweep", "oauth_url"] {
            assert!(is_ours(ours), "{ours}");
        }
        for library in ["", "aws_config::default", "webpki", "hyper::client", "broke"] {
            assert!(!is_ours(library), "{library}");
        }
    }
}
