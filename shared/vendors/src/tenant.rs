//! The URLs of a descriptor, with the parts that differ by tenant filled in.
//!
//! Whoever fills them in is a caller, so a host is normalised and then matched against the
//! descriptor's patterns before anything is sent to it.

use std::collections::BTreeMap;

use crate::descriptor::Placeholder;
use crate::error::ElementError;

/// Fills in a URL's placeholders; `given` tells what the caller said for each.
pub fn fill<'a>(
    template: &str,
    placeholders: &BTreeMap<String, Placeholder>,
    given: impl Fn(&Placeholder) -> Option<&'a str>,
) -> Result<String, ElementError> {
    let mut url = template.to_owned();
    for (name, placeholder) in placeholders {
        let slot = format!("{{{name}}}");
        if !url.contains(&slot) {
            continue;
        }
        let value = given(placeholder)
            .filter(|value| !value.trim().is_empty())
            .or(placeholder.default.as_deref())
            .ok_or_else(|| missing(placeholder))?;
        url = url.replace(&slot, &check(placeholder, value)?);
    }
    Ok(url)
}

/// Checks and normalises what stands for a placeholder.
pub fn check(placeholder: &Placeholder, value: &str) -> Result<String, ElementError> {
    let checked = if placeholder.hosts.is_empty() { segment(value) } else { host(value, &placeholder.hosts) };
    checked.ok_or_else(|| wrong(placeholder, value))
}

/// Fills in a URL's placeholders from an instance's configuration.
pub fn of_instance(
    template: &str,
    placeholders: &BTreeMap<String, Placeholder>,
    configuration: &BTreeMap<String, Option<String>>,
) -> Result<String, ElementError> {
    fill(template, placeholders, |placeholder| configuration.get(&placeholder.configuration)?.as_deref())
}

/// Normalises a host that a caller named, and matches it against the patterns that are allowed; in a
/// pattern a `*` label stands for one label. A lone label is completed by the pattern's fixed ones.
/// `None` when it is not allowed.
pub fn host(value: &str, patterns: &[String]) -> Option<String> {
    let value = value.trim().to_ascii_lowercase();
    let value = value.strip_prefix("https://").or(value.strip_prefix("http://")).unwrap_or(&value);
    let value = value.strip_suffix('/').unwrap_or(value);
    let value = value.strip_suffix('.').unwrap_or(value);
    let completed = |pattern: &String| match pattern.strip_prefix('*') {
        Some(suffix) if !value.contains('.') => format!("{value}{suffix}"),
        _ => value.to_owned(),
    };
    patterns
        .iter()
        .map(|pattern| (pattern, completed(pattern)))
        .find(|(pattern, host)| matches(host, pattern))
        .map(|(_, host)| host)
}

/// Says which hosts a pattern list allows, for an error.
pub fn allowed(patterns: &[String]) -> String {
    patterns.join(" or ")
}

fn matches(host: &str, pattern: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let wanted: Vec<&str> = pattern.split('.').collect();
    host.len() <= 253
        && labels.len() == wanted.len()
        && labels
            .iter()
            .zip(wanted)
            .all(|(label, wanted)| is_label(label) && (wanted == "*" || wanted == *label))
}

/// A label of a host name (RFC 1123 section 2.1): letters, digits and inner hyphens. One in Punycode is
/// none: no vendor has such tenants, and they are there to look like others.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !label.starts_with('-')
        && !label.starts_with("xn--")
        && !label.ends_with('-')
}

fn segment(value: &str) -> Option<String> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    let dots = value.bytes().all(|c| c == b'.');
    (value.len() <= 128 && !dots && value.bytes().all(plain)).then(|| value.to_owned())
}

fn missing(placeholder: &Placeholder) -> ElementError {
    ElementError::TenantMissing(placeholder.configuration.clone())
}

fn wrong(placeholder: &Placeholder, value: &str) -> ElementError {
    let wanted = match placeholder.hosts.as_slice() {
        [] => "letters, digits, `.`, `-` and `_`".to_owned(),
        patterns => format!("a host such as {}", allowed(patterns)),
    };
    let value = value.chars().take(100).collect();
    ElementError::TenantWrong { key: placeholder.configuration.clone(), wanted, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infusionsoft(value: &str) -> Option<String> {
        host(value, &["*.infusionsoft.com".into()])
    }

    #[test]
    fn a_host_is_accepted_as_people_write_it_and_kept_bare() {
        let sloppy = [
            "dt123.infusionsoft.com",
            "https://dt123.infusionsoft.com",
            "https://dt123.infusionsoft.com/",
            "http://dt123.infusionsoft.com",
            " DT123.Infusionsoft.com. ",
            "dt123",
        ];
        for value in sloppy {
            assert_eq!(infusionsoft(value).as_deref(), Some("dt123.infusionsoft.com"), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_host_of_the_pattern_is_refused() {
        let attacks = [
            "",
            "infusionsoft.com",
            "a.b.infusionsoft.com",
            "dt123.infusionsoft.com.evil.com",
            "evilinfusionsoft.com",
            "dt123.infusionsoft.com:8080",
            "dt123.infusionsoft.com/path",
            "dt123.infusionsoft.com?x",
            "dt123.infusionsoft.com#x",
            "user@dt123.infusionsoft.com",
            "ftp://dt123.infusionsoft.com",
            "127.0.0.1",
            "0x7f.1",
            "[::1]",
            "dt123.infusionsoft.com\r\nHost: evil",
            "dt\u{0131}23.infusionsoft.com",
            "xn--dt23-1va.infusionsoft.com",
            "-dt.infusionsoft.com",
            "*.infusionsoft.com",
            "dt123..infusionsoft.com",
        ];
        for value in attacks {
            assert_eq!(infusionsoft(value), None, "{value:?}");
        }
        let number = infusionsoft("2130706433");
        assert_eq!(number.as_deref(), Some("2130706433.infusionsoft.com"), "a label, not an address");
    }

    #[test]
    fn placeholders_are_filled_from_what_is_given_or_the_default() {
        let tenant = Placeholder {
            query: vec![],
            configuration: "tenant".into(),
            default: Some("common".into()),
            hosts: vec![],
        };
        let placeholders = BTreeMap::from([("tenant".to_owned(), tenant)]);
        let template = "https://login.example.com/{tenant}/token";
        assert_eq!(
            fill(template, &placeholders, |_| None).unwrap(),
            "https://login.example.com/common/token"
        );
        let given = fill(template, &placeholders, |_| Some("acme")).unwrap();
        assert_eq!(given, "https://login.example.com/acme/token");
        for attack in ["..", "a/b", "a?b", "a%2fb", "a b", "{tenant}"] {
            assert!(fill(template, &placeholders, |_| Some(attack)).is_err(), "{attack}");
        }
    }
}
