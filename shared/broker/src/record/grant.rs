//! The grant: what an instance's life at its vendor needs. It has an item of its own, beside the instance that its owner
//! sees, so that neither is in the way of the other.
//!
//! A grant's tokens are known by two numbers. The *family* is the number of the consent that they come from; the *number*
//! grows with each refresh in that family. A refresh draws its number before it asks the vendor, and no number is drawn
//! twice, so the newer of two pairs is known by its numbers alone.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::{self, SKEW, Timestamp};
use crate::id::{InstanceId, UserId};
use crate::record::tokens::Tokens;
use crate::store::records::{Condition, Key};

/// How long somebody may ask the vendor, in seconds: longer than a request lasts, and than a vendor works on what it was
/// sent.
pub const LEASE: Timestamp = 60;

/// Tells when somebody who began something then has certainly ended, in the eyes of every clock.
pub fn certainly_ended(since: Timestamp) -> Timestamp {
    since.saturating_add(LEASE + SKEW + 1)
}

/// Whether a grant may still change. It is a fence: what anybody sees is decided by the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It may.
    Live,
    /// It is being removed.
    Ending,
}

/// The record of a grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// Its instance.
    pub instance: InstanceId,
    /// The user who owns that.
    pub user: UserId,
    /// The element's key.
    pub element: String,
    /// Whether it may still change.
    pub state: State,
    /// Whether its owner brought its first refresh token along, and may have it elsewhere too.
    #[serde(default)]
    pub imported: bool,
    /// The number of the consent that the tokens come from.
    pub family: u64,
    /// The number of the tokens in that family.
    pub number: u64,
    /// The highest number that was drawn in that family. It never goes back.
    pub last: u64,
    /// The tokens, sealed; absent when they rest in Secrets Manager.
    pub sealed: Option<String>,
    /// The fingerprint of the id of the client that they were given to.
    pub client: String,
    /// The name of the secret in Secrets Manager where tokens rest, or are about to.
    pub secret: Option<String>,
    /// Since when that secret is being given up.
    pub leaving: Option<Timestamp>,
    /// Who is asking the vendor: a name that is drawn for each attempt.
    pub asking_owner: Option<String>,
    /// Since when; 0: whoever it was has certainly ended, and may have asked.
    pub asking_since: Option<Timestamp>,
    /// The numbers that those have drawn who are asking, or asked and have not said how that ended; the latest is last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<u64>,
    /// The number of the settings that the vendor refused these tokens with.
    pub refused: Option<u64>,
    /// When the access token was issued.
    pub access_issued: Timestamp,
    /// When it expires; `None`: it does not.
    pub access_expires: Option<Timestamp>,
    /// When the refresh token ends, unless it is used before; `None`: it does not, or nobody says.
    pub refresh_expires: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub refreshable: bool,
    /// Until when the vendor is left alone.
    pub not_before: Option<Timestamp>,
    /// The end of the grant that its owner was warned of.
    pub warned: Option<Timestamp>,
    /// When tokens were last moved to Secrets Manager.
    pub settled: Option<Timestamp>,
    /// Since when it is being removed.
    pub ending_since: Option<Timestamp>,
    /// Whether the vendor has revoked it, while it is being removed.
    #[serde(default)]
    pub revoked: bool,
    /// The agenda that it is on.
    pub agenda: String,
    /// When the sweep looks at it next.
    pub due: Option<Timestamp>,
}

/// The attributes that speak of the tokens. Whoever stores newer ones states them all: they may have changed since the
/// record was read.
pub(crate) const OF_TOKENS: &[&str] = &[
    "family",
    "number",
    "sealed",
    "refused",
    "not_before",
    "access_issued",
    "access_expires",
    "refresh_expires",
    "refreshable",
    "due",
];

/// Those that a new consent states besides.
pub(crate) const OF_CONSENT: &[&str] = &["last", "client", "asking_owner", "asking_since", "doubts"];

/// Somebody is asking the vendor, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Nobody is.
    Nobody,
    /// Somebody may be.
    Running,
    /// Whoever was has certainly ended, and nobody knows how.
    Ended,
}

impl Grant {
    /// Makes the record of a first grant, without tokens.
    pub(crate) fn new(instance: InstanceId, user: UserId, element: &str) -> Self {
        Self {
            instance,
            user,
            element: element.to_owned(),
            state: State::Live,
            imported: false,
            family: 1,
            number: 0,
            last: 0,
            sealed: None,
            client: String::new(),
            secret: None,
            leaving: None,
            asking_owner: None,
            asking_since: None,
            doubts: Vec::new(),
            refused: None,
            access_issued: 0,
            access_expires: None,
            refresh_expires: None,
            refreshable: false,
            not_before: None,
            warned: None,
            settled: None,
            ending_since: None,
            revoked: false,
            agenda: String::new(),
            due: None,
        }
    }

    /// Names its item.
    pub fn key(&self) -> Key {
        key(self.instance)
    }

    /// Tells whether somebody is asking the vendor.
    pub fn asking(&self, now: Timestamp) -> Asking {
        match self.asking_since.filter(|_| self.asking_owner.is_some()) {
            None => Asking::Nobody,
            Some(since) if certainly_ended(since) <= now => Asking::Ended,
            Some(_) => Asking::Running,
        }
    }

    /// Tells whether the vendor has refused these tokens with settings that have not changed since.
    pub fn is_dead(&self, settings: u64) -> bool {
        self.refused.is_some_and(|refused| refused >= settings)
    }

    /// Tells whether the access token has not expired. One that a clock from the future issued is not known to be valid.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !clock::is_ahead(self.access_issued, now) && self.access_expires.is_none_or(|expires| expires > now)
    }

    /// Tells whether its tokens come from one that its owner brought along, and may have elsewhere.
    pub fn is_imported(&self) -> bool {
        self.imported && self.family == 1
    }

    /// Tells whether the vendor has said of it what it thinks: of a token that was brought along nobody knows before.
    pub fn is_decided(&self) -> bool {
        self.number > 0 || self.refused.is_some()
    }

    /// Tells where these tokens stand: the greater, the newer.
    pub fn place(&self) -> (u64, u64) {
        (self.family, self.number)
    }

    /// Gives what lists know of it.
    pub fn copy(&self) -> Copy {
        Copy { family: self.family, number: self.number, refused: self.refused }
    }

    /// Notes what can be read of tokens without opening them.
    pub(crate) fn note(&mut self, tokens: &Tokens) {
        self.access_issued = tokens.issued;
        self.access_expires = tokens.expires;
        self.refresh_expires = tokens.refresh_expires;
        self.refreshable = tokens.refresh_token.is_some();
    }

    /// Has new tokens, sealed: what was known of those before is over.
    pub(crate) fn take_tokens(&mut self, place: (u64, u64), tokens: &Tokens, sealed: Option<String>) {
        (self.family, self.number) = place;
        self.sealed = sealed;
        self.refused = None;
        self.not_before = None;
        self.note(tokens);
    }

    /// Gives the numbers that are in doubt once somebody asks with another. So many may have died in a row that the oldest
    /// are not worth a look.
    pub(crate) fn doubts_with(&self, number: u64) -> Vec<u64> {
        const LOOKED_FOR: usize = 8;
        let before = if self.asking_owner.is_some() { self.doubts.as_slice() } else { &[] };
        let latest = &before[before.len().saturating_sub(LOOKED_FOR)..];
        latest.iter().copied().chain([number]).collect()
    }

    /// Nobody is asking any more.
    pub(crate) fn stop_asking(&mut self) {
        self.asking_owner = None;
        self.asking_since = None;
        self.doubts.clear();
    }

    /// It may still change.
    pub(crate) fn is_live() -> Condition {
        Condition::Equals("state", json!(State::Live))
    }

    /// Its tokens are those that were read.
    pub(crate) fn tokens_as_read(&self) -> [Condition; 2] {
        [Condition::Equals("family", self.family.into()), Condition::Equals("number", self.number.into())]
    }

    /// Whoever was asking when it was read still is, and nobody else.
    pub(crate) fn asking_as_read(&self) -> [Condition; 2] {
        let owner = self.asking_owner.clone().map(Into::into);
        [equals("asking_owner", owner), equals("asking_since", self.asking_since.map(Into::into))]
    }

    /// This one is asking.
    pub(crate) fn asked_by(owner: &str) -> Condition {
        Condition::Equals("asking_owner", owner.into())
    }

    /// Nobody is asking.
    pub(crate) fn asked_by_nobody() -> Condition {
        Condition::Absent("asking_owner")
    }

    /// It has this secret, or none.
    pub(crate) fn has_secret(secret: Option<&str>) -> Condition {
        equals("secret", secret.map(Into::into))
    }

    /// Its secret is not being given up.
    pub(crate) fn stays() -> Condition {
        Condition::Absent("leaving")
    }
}

fn equals(attribute: &'static str, value: Option<serde_json::Value>) -> Condition {
    match value {
        Some(value) => Condition::Equals(attribute, value),
        None => Condition::Absent(attribute),
    }
}

/// The sort key of every grant.
pub const SORT: &str = "grant";

/// Names the item of an instance's grant. Each has a partition of its own.
pub fn key(instance: InstanceId) -> Key {
    Key::new(format!("grant#{instance}"), SORT)
}

/// What an instance's record knows of its grant, for lists. It may lag behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Copy {
    /// The grant's family.
    pub family: u64,
    /// The number of its tokens.
    pub number: u64,
    /// The settings that the vendor refused them with.
    pub refused: Option<u64>,
}

impl Copy {
    /// What there is before there is a grant.
    pub const NONE: Self = Self { family: 0, number: 0, refused: None };

    /// Tells whether the grant is alive, as far as it says.
    pub fn is_valid(self, settings: u64) -> bool {
        self.refused.is_none_or(|refused| refused < settings)
    }
}

/// A text of fixed width, so that the newer of two sorts behind the older.
impl From<Copy> for String {
    fn from(copy: Copy) -> Self {
        format!("{:016x}.{:016x}.{:016x}", copy.family, copy.number, copy.refused.unwrap_or_default())
    }
}

impl TryFrom<String> for Copy {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = text.split('.').map(|part| u64::from_str_radix(part, 16).ok());
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(family), Some(number), Some(refused)) => {
                Ok(Self { family, number, refused: Some(refused).filter(|refused| *refused > 0) })
            }
            _ => Err("the copy of a grant is three numbers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_copy_sorts_behind_an_older_one() {
        let copy = |family, number, refused| Copy { family, number, refused };
        let order = [
            Copy::NONE,
            copy(1, 0, None),
            copy(1, 9, None),
            copy(1, 9, Some(1)),
            copy(1, 9, Some(12)),
            copy(1, 10, None),
            copy(2, 0, None),
        ];
        assert!(order.map(String::from).is_sorted() && order.is_sorted());
        for copy in order {
            assert_eq!(Copy::try_from(String::from(copy)), Ok(copy));
        }
        assert!(copy(1, 1, Some(2)).is_valid(3) && !copy(1, 1, Some(2)).is_valid(2));
    }
}
