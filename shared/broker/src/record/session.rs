//! Sessions: one browser's way to the vendor and back. A session lives ten minutes, belongs to the browser that
//! began it, and is taken once. Its state is not stored, only a fingerprint. Its record stays for longer, so that
//! whoever comes late, or asks what came of it, is told.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Timestamp;
use crate::id::InstanceId;
use crate::random;
use crate::record::link::Link;
use crate::seal::key;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, EXPIRES, Item, Key, Registry, TAKEN_BY, Written};

/// Whoever has taken a session is done after this, in seconds: a request lasts 28.
const DEAD: Timestamp = 60;

/// How often a session is written to when the store is out of reach.
const ATTEMPTS: usize = 3;

/// How long a session lives, in seconds.
const LIVES: Timestamp = 600;

/// How long its record stays after that, in seconds, and the browser's id with it.
const KEPT: Timestamp = 86_400;

/// How long a browser keeps its id, in seconds: as long as it can be told what became of a session.
pub const BROWSER_LIVES: Timestamp = LIVES + KEPT;

/// The registry's record of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// The fingerprint of the browser's id.
    pub browser: String,
    /// The request that brings the browser back: its method and path.
    pub callback: String,
    /// What the vendor calls itself in that request (RFC 9207), where it does.
    pub issuer: Option<String>,
    /// The link that was opened, with what the visitor has filled in.
    pub link: Link,
    /// When it ends.
    pub until: Timestamp,
    /// When its record goes.
    pub expires: Timestamp,
    /// When it was taken.
    pub taken_at: Option<Timestamp>,
    /// How it ended.
    pub result: Option<Ended>,
}

impl Session {
    /// Makes a session that begins now, for a browser that the callback has to come from.
    pub fn new(now: Timestamp, browser: &str, callback: String, issuer: Option<String>, link: Link) -> Self {
        let until = now + LIVES;
        Self {
            browser: key::fingerprint(browser),
            callback,
            issuer,
            link,
            until,
            expires: until + KEPT,
            taken_at: None,
            result: None,
        }
    }

    /// Tells how it ended: whoever took it and has not said so by now has died.
    pub fn outcome(self, now: Timestamp) -> Option<Ended> {
        let dead = self.taken_at.is_some_and(|taken| now - taken > DEAD);
        self.result.or(dead.then_some(Ended::Unknown))
    }
}

/// How a session ended: what the same browser is told whenever it comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With this instance.
    Connected(InstanceId),
    /// The visitor said no.
    Denied {
        /// The vendor's words.
        description: String,
    },
    /// Without a grant.
    Failed {
        /// The code, of RFC 6749 section 4.1.2.1.
        error: String,
        /// What whoever is sent the browser back reads.
        description: String,
        /// What the vendor said, for the visitor.
        said: Option<String>,
    },
    /// Without anybody knowing whether there is a grant.
    Unknown,
    /// The link had been used meanwhile.
    LinkUsed,
    /// The link had been withdrawn meanwhile.
    LinkWithdrawn,
}

/// What a browser brings along from the vendor. It holds secrets and is not to be printed.
pub struct Presented<'a> {
    /// The state.
    pub state: &'a str,
    /// The browser's id.
    pub browser: Option<&'a str>,
    /// The request: its method and path.
    pub callback: &'a str,
    /// The issuer.
    pub issuer: Option<&'a str>,
}

/// What became of the attempt to take a session.
#[derive(Debug)]
pub enum Taken {
    /// It is ours, with its name.
    Ours(String, Box<Session>),
    /// The same browser has been here before.
    Before(String, Box<Session>),
    /// The same browser came too late.
    Late(Box<Session>),
    /// It is another browser's.
    NotYours,
    /// There is no such session, or what came does not belong to it.
    Astray,
}

fn key(name: &str) -> Key {
    Key::new(format!("session#{name}"), "session")
}

/// Makes the id of a browser.
pub fn new_browser() -> String {
    random::secret()
}

/// Tells whether this can be the id of a browser that we made.
pub fn is_browser(id: &str) -> bool {
    id.len() == 43 && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// Begins a session, under a new state that it gives.
pub async fn begin(registry: &dyn Registry, session: &Session) -> Result<String, StoreError> {
    let state = random::secret();
    registry.insert(&key(&key::fingerprint(&state)), records::to_item(session)?).await?;
    Ok(state)
}

/// Takes the session that a browser comes back for. All that must hold is one condition of one write: whatever
/// is amiss, the session is left as it was.
pub async fn take(
    registry: &dyn Registry,
    presented: &Presented<'_>,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let name = key::fingerprint(presented.state);
    // Nobody's browser has the empty fingerprint.
    let browser = presented.browser.map(key::fingerprint).unwrap_or_default();
    let taker = random::id();
    let issuer = match presented.issuer {
        Some(issuer) => Condition::Equals("issuer", issuer.into()),
        None => Condition::Absent("issuer"),
    };
    let change = Change::when("browser", browser.clone())
        .and(Condition::Equals("callback", presented.callback.into()))
        .and(issuer)
        .and(Condition::After("until", now))
        .set("taken_at", now);
    let key = key(&name);
    match insistently(|| records::take(registry, &key, &taker, change.clone())).await? {
        Written::Done(item) => Ok(Taken::Ours(name, Box::new(records::from_item(item)?))),
        Written::Refused(None) => Ok(Taken::Astray),
        Written::Refused(Some(found)) => refused(name, &browser, presented, now, found),
    }
}

/// Makes a change again whose reply may have been lost: a session is of no use that nobody knows to have taken, or
/// whose end nobody knows.
async fn insistently<F: Future<Output = Result<Written, StoreError>>>(
    attempt: impl Fn() -> F,
) -> Result<Written, StoreError> {
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(StoreError::Unavailable(cause)) => tracing::warn!(cause, "a session is written to again"),
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Tells why a session was not taken, from what was found.
fn refused(
    name: String,
    browser: &str,
    presented: &Presented<'_>,
    now: Timestamp,
    found: Item,
) -> Result<Taken, StoreError> {
    let taken = found.contains_key(TAKEN_BY);
    let session: Session = records::from_item(found)?;
    let belongs = session.callback == presented.callback && session.issuer.as_deref() == presented.issuer;
    let late = session.until <= now;
    Ok(if !belongs || late && (taken || session.browser != browser) {
        Taken::Astray
    } else if session.browser != browser {
        Taken::NotYours
    } else if taken {
        Taken::Before(name, Box::new(session))
    } else {
        Taken::Late(Box::new(session))
    })
}

/// Writes down how a session ended; one that may have used its link up, for as long as anybody can ask about that.
pub async fn end(
    registry: &dyn Registry,
    name: &str,
    session: &Session,
    ended: &Ended,
) -> Result<(), StoreError> {
    let mut change = Change::default().set("result", json!(ended));
    if !session.link.reusable && matches!(ended, Ended::Connected(_) | Ended::Unknown) {
        change = change.set(EXPIRES, session.expires.max(session.link.expires));
    }
    let key = key(name);
    insistently(|| registry.update(&key, change.clone())).await.map(drop)
}

/// Finds a session by its name, as long as its record is there.
pub async fn find(registry: &dyn Registry, name: &str) -> Result<Option<Session>, StoreError> {
    registry.get(&key(name)).await?.map(records::from_item).transpose()
}
