//! Ids that must not be confused, one type each.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty) $(, $also:ident)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize $(, $also)*)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for Value {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }
    };
}

id! {
    /// A user's number, from 1.
    UserId(u64), Copy, PartialOrd, Ord
}

id! {
    /// An instance's number, from 1; unique in the deployment.
    InstanceId(u64), Copy, PartialOrd, Ord
}

id! {
    /// An app's id: 40 hex digits, which sort by the time when the app was registered.
    AppId(String)
}

id! {
    /// A link's id: its owner's number, a hyphen, and 40 hex digits that nobody guesses.
    LinkId(String)
}

impl InstanceId {
    /// Reads decimal digits and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        number(text).map(Self)
    }
}

impl UserId {
    /// Reads decimal digits and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        number(text).map(Self)
    }
}

impl AppId {
    /// Reads an app's id.
    pub fn parse(text: &str) -> Option<Self> {
        is_dated(text).then(|| Self(text.to_owned()))
    }
}

impl LinkId {
    /// Reads a link's id.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(text.to_owned());
        id.parts().is_some().then_some(id)
    }

    /// Splits it into its owner and the part that nobody guesses.
    pub fn parts(&self) -> Option<(UserId, &str)> {
        let (user, name) = self.0.split_once('-')?;
        Some((UserId::parse(user)?, name)).filter(|_| is_dated(name))
    }
}

/// What [`crate::random::dated`] makes.
fn is_dated(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn a_links_id_names_its_owner_and_nothing_else_is_one() {
        let id = format!("7-{}", random::dated(1_786_128_398));
        assert_eq!(LinkId::parse(&id).unwrap().parts().unwrap().0, UserId(7));
        for wrong in [
            "",
            "7",
            "7-",
            "-aa",
            "07-",
            "7-../x",
            &format!("+{id}"),
            &format!("{id}0"),
            &format!("{id}A")[1..],
        ] {
            assert_eq!(LinkId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_number_is_decimal_digits_without_a_sign_or_a_leading_zero() {
        assert_eq!(InstanceId::parse("12"), Some(InstanceId(12)));
        for wrong in ["", "+1", "01", "1 ", "-1", "1.0", "18446744073709551616"] {
            assert_eq!(InstanceId::parse(wrong), None, "{wrong}");
        }
    }
}
