//! Seals records again with the newest key, so that older keys can be removed.
//!
//! In each pass the sweep reads some of all items. When it has read them all, a round is complete and the next one begins,
//! until a round finds no item that is sealed with an older key. A deployment with one key skips this.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Broker;
use crate::clock::Timestamp;
use crate::events;
use crate::grant::rest;
use crate::record::app::{self, App};
use crate::record::grant::{self, Grant};
use crate::record::instance::{self, Instance};
use crate::seal::keyring::Keyring;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Item, Key, Written};

/// The items that are read at once.
const PAGE: usize = 100;

/// The pages of a pass: two million items take three days.
const PAGES: usize = 25;

/// So long after a key was first seen, in seconds, every process knows it: none seals with an older one any more. A
/// Lambda environment may have been running for hours, but a deploy has ended it.
const KNOWN_TO_ALL: Timestamp = 3_600;

/// Progress of the rounds; kept as a record between passes.
#[derive(Debug, Serialize, Deserialize)]
struct Walk {
    /// The id of the newest key.
    key: String,
    /// When the sweep first saw that key.
    since: Timestamp,
    /// When this round began.
    began: Timestamp,
    /// The place of the item that was last.
    after: Option<(String, String)>,
    /// The items sealed with an older key that this round has found so far.
    found: u64,
    /// Whether a whole round has found none.
    done: bool,
}

impl Walk {
    fn new(key: String, now: Timestamp) -> Self {
        Self { key, since: now, began: now, after: None, found: 0, done: false }
    }

    /// Reads the progress for the newest key, or starts the first round.
    async fn find(broker: &Broker, keys: &Keyring) -> Result<Self, StoreError> {
        let now = broker.clock.now();
        let found = broker.registry.get(&place()).await?.map(records::from_item::<Self>).transpose()?;
        Ok(found.filter(|walk| walk.key == keys.newest()).unwrap_or_else(|| Self::new(keys.newest(), now)))
    }

    async fn save(&self, broker: &Broker) -> Result<(), StoreError> {
        let item = records::to_item(self)?;
        let set = |change: Change, (name, value)| change.set(name, value);
        let change = item.clone().into_iter().fold(Change::default(), set);
        if let Written::Refused(None) = broker.registry.update(&place(), change).await? {
            broker.registry.insert(&place(), item).await?;
        }
        Ok(())
    }

    /// Ends a round, and begins the next one unless nothing was found.
    fn end_round(&mut self, now: Timestamp) {
        self.done = self.found == 0 && self.began >= self.since + KNOWN_TO_ALL;
        events::resealed(&self.key, self.found, self.done);
        (self.began, self.after, self.found) = (now, None, 0);
    }
}

fn place() -> Key {
    Key::new("deployment", "reseal")
}

/// Continues the round where the last pass stopped. Returns how many items were sealed again.
pub(crate) async fn go_on(broker: &Broker, goes_on: impl Fn() -> bool) -> Result<u64, StoreError> {
    let (keys, mut sealed) = (broker.keys.ring(), 0);
    if !keys.has_older() {
        return Ok(sealed);
    }
    let mut walk = Walk::find(broker, &keys).await?;
    for _ in 0..PAGES {
        if walk.done || !goes_on() {
            break;
        }
        let from = walk.after.as_ref().map(|(partition, sort)| Key::new(partition, sort));
        let part = broker.registry.scan(from.as_ref(), PAGE).await?;
        for (key, item) in part.items {
            let Some(change) = with_newest(&keys, &key, item)? else { continue };
            walk.found += 1;
            if change.is_empty() {
                continue;
            }
            let written = broker.registry.update(&key, change).await;
            events::table(broker, &written);
            // Whoever has changed it meanwhile has sealed it too.
            sealed += u64::from(matches!(written?, Written::Done(_)));
        }
        walk.after = part.next.map(|key| (key.partition, key.sort));
        let is_over = walk.after.is_none();
        if is_over {
            walk.end_round(broker.clock.now());
        }
        walk.save(broker).await?;
        if is_over {
            break;
        }
    }
    Ok(sealed)
}

/// Makes the change that seals an item with the newest key. Nothing, when it is so or holds nothing sealed.
fn with_newest(keys: &Keyring, key: &Key, item: Item) -> Result<Option<Change>, StoreError> {
    let Some(old) = sealed_in(key, item)?.filter(|sealed| !keys.is_newest(&sealed.text)) else {
        return Ok(None);
    };
    let Some(new) = keys.again(&old.place, &old.text) else {
        tracing::error!(partition = key.partition, sort = key.sort, "what is sealed here opens with no key");
        return Ok(Some(Change::default()));
    };
    // Nobody seals the same text twice: what it is bound to is as it was read, too.
    let as_read = Condition::Equals(old.attribute, json!(old.text));
    Ok(Some(Change::default().and(as_read).set(old.attribute, new)))
}

/// A sealed attribute, and the place that it is bound to.
struct Sealed {
    attribute: &'static str,
    place: Vec<String>,
    text: String,
}

fn sealed_in(key: &Key, item: Item) -> Result<Option<Sealed>, StoreError> {
    if key.sort == grant::SORT {
        let grant: Grant = records::from_item(item)?;
        let place = rest::place(&grant, grant.place()).into();
        return Ok(grant.sealed.map(|text| Sealed { attribute: "sealed", place, text }));
    }
    if key.sort.starts_with(instance::PREFIX) {
        let Instance { id, number, sealed: text, .. } = records::from_item(item)?;
        let place = instance::settings_place(id, number).into();
        return Ok(Some(Sealed { attribute: "sealed", place, text }));
    }
    if key.sort.starts_with(app::PREFIX) {
        let App { id, credentials: text, .. } = records::from_item(item)?;
        let place = app::credentials_place(&id).into();
        return Ok(Some(Sealed { attribute: "credentials", place, text }));
    }
    Ok(None)
}
