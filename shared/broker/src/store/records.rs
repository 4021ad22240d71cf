//! The registry: every record that is not a secret, and the conditional writes that keep racing
//! callers apart.
//!
//! It knows items, not what they mean: a new kind of record is a new key and a `serde` type, and no
//! store has to change. A write is conditional on attributes and changes attributes, never a whole
//! item. A condition that failed is not yet a defeat: the first reply may have been lost and the
//! request repeated. So every write sets an attribute that no other write would set, and
//! [`Written::proven_by`] looks for it in what it found.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::store::error::StoreError;

/// The name of an attribute.
pub type Name = Cow<'static, str>;

/// The attributes of a record.
pub type Item = Map<String, Value>;

/// The attribute that says when an item may be swept away, a [`Timestamp`]. Stores sweep late, so
/// whoever minds asks [`Condition::After`] or looks.
pub const EXPIRES: &str = "expires";

/// The attribute that names the agenda which an item is on, as soon as it also has [`DUE`].
pub const AGENDA: &str = "agenda";

/// The attribute that says when an item on an agenda wants to be looked at, a [`Timestamp`]. An item
/// without it is on no agenda, and costs no agenda anything.
pub const DUE: &str = "due";

/// The attribute that says who took a one-time item.
pub const TAKEN_BY: &str = "taken_by";

/// The partition of the counters, by name.
pub const COUNTERS: &str = "counter";

/// The attribute of a counter: the last number that was given.
pub const COUNT: &str = "value";

/// Where an item is: items of one partition are listed together, in the order of their sort keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What the item belongs to.
    pub partition: String,
    /// Its place there.
    pub sort: String,
}

impl Key {
    /// Names an item.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// An item on an agenda: where it is, and since when it wants to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Where the item is.
    pub key: Key,
    /// Its [`DUE`].
    pub at: Timestamp,
}

/// What must hold of an item for a change to be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The attribute has this value.
    Equals(&'static str, Value),
    /// The item has no such attribute.
    Absent(&'static str),
    /// The attribute is a number greater than this one.
    After(&'static str, Timestamp),
    /// The attribute is a number less than this one, or a text that sorts before this one.
    Below(&'static str, Value),
}

/// A change to one item: when all conditions hold, attributes are set and removed together. The item
/// must exist.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// The attributes to set.
    pub set: BTreeMap<Name, Value>,
    /// The attributes to remove.
    pub remove: Vec<Name>,
}

impl Change {
    /// Begins a change that is made only when the attribute has this value.
    pub fn when(attribute: &'static str, value: impl Into<Value>) -> Self {
        Self::default().and(Condition::Equals(attribute, value.into()))
    }

    /// Adds a condition.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, attribute: impl Into<Name>, value: impl Into<Value>) -> Self {
        let attribute = attribute.into();
        self.remove.retain(|removed| *removed != attribute);
        self.set.insert(attribute, value.into());
        self
    }

    /// Makes a change out of a record as it was read and as it is to be: what differs is set or removed. What is `stated`
    /// is so in any case, since it may have changed after it was read.
    pub fn between(
        before: &impl Serialize,
        after: &impl Serialize,
        stated: &[&'static str],
    ) -> Result<Self, StoreError> {
        let (before, after) = (attributes(before)?, attributes(after)?);
        let mut change = Self::default();
        let gone = before.keys().cloned().chain(stated.iter().map(|name| (*name).to_owned()));
        for name in gone.filter(|name| !after.contains_key(name)) {
            change = change.remove(name);
        }
        let differs = |(name, value): &(String, Value)| {
            before.get(name) != Some(value) || stated.contains(&name.as_str())
        };
        for (name, value) in after.into_iter().filter(differs) {
            change = change.set(name, value);
        }
        Ok(change)
    }

    /// Tells whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Makes the change of an item that meets the conditions.
    pub fn apply(self, item: &mut Item) {
        for attribute in self.remove {
            item.remove(&*attribute);
        }
        item.extend(self.set.into_iter().map(|(attribute, value)| (attribute.into_owned(), value)));
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, attribute: impl Into<Name>) -> Self {
        let attribute = attribute.into();
        self.set.remove(&attribute);
        if !self.remove.contains(&attribute) {
            self.remove.push(attribute);
        }
        self
    }
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// It was made; the item is as it is now.
    Done(Item),
    /// A condition failed; the item is as it was found, by a consistent read.
    Refused(Option<Item>),
}

impl Written {
    /// Recognises a write of our own whose reply was lost: the item that was found holds `value` in
    /// `attribute`, which no one else would have written.
    #[must_use]
    pub fn proven_by(self, attribute: &str, value: &str) -> Self {
        match self {
            Self::Refused(Some(item)) if item.get(attribute).and_then(Value::as_str) == Some(value) => {
                Self::Done(item)
            }
            other => other,
        }
    }
}

/// A part of a list, in the order of sort keys.
#[derive(Debug, Default)]
pub struct Page {
    /// The items with their sort keys.
    pub items: Vec<(String, Item)>,
    /// Whether more follow after the last.
    pub more: bool,
}

/// One page of a scan, in no particular order.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The items with their places.
    pub items: Vec<(Key, Item)>,
    /// Where to go on; `None`: these were the last.
    pub next: Option<Key>,
}

/// Keeps records: on AWS in DynamoDB, on one machine in SQLite. Reads see every write that was
/// answered before. All implementations pass the suite in `tests/src/suites/registry.rs`.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Reads an item.
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError>;

    /// Reads several items in one round trip; the answer has their order. It is no snapshot: a write may come between
    /// the reads of two items.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError>;

    /// Makes an item, unless there is one at that key.
    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError>;

    /// Changes an item, if it is there and the conditions hold.
    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError>;

    /// Removes an item, if all conditions hold: `true` when it is not there afterwards.
    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError>;

    /// Lists the items of a partition whose sort keys begin with `prefix` and come after `after`.
    async fn list(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// Lists at most `limit` items of an agenda that are due at `until` and come after `after`, the
    /// longest due first. It may lag behind the items, so whoever acts on one reads it first.
    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError>;

    /// Lists at most `limit` items of an agenda, the latest due first.
    async fn farthest(&self, agenda: &str, limit: usize) -> Result<Vec<Due>, StoreError>;

    /// Reads one page of all items, at most `limit`; `from` is the last page's `next`. An item that exists during the whole
    /// scan is on one of the pages.
    async fn scan(&self, from: Option<&Key>, limit: usize) -> Result<Scanned, StoreError>;

    /// Counts one further and tells the number: 1 at first, never the same twice.
    async fn next(&self, counter: &str) -> Result<u64, StoreError>;
}

#[async_trait]
impl<R: Registry + ?Sized> Registry for Arc<R> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        (**self).get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        (**self).get_many(keys).await
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        (**self).insert(key, item).await
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        (**self).update(key, change).await
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        (**self).remove(key, conditions).await
    }

    async fn list(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        (**self).list(partition, prefix, after, limit).await
    }

    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        (**self).due(agenda, until, after, limit).await
    }

    async fn farthest(&self, agenda: &str, limit: usize) -> Result<Vec<Due>, StoreError> {
        (**self).farthest(agenda, limit).await
    }

    async fn scan(&self, from: Option<&Key>, limit: usize) -> Result<Scanned, StoreError> {
        (**self).scan(from, limit).await
    }

    async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        (**self).next(counter).await
    }
}

/// Takes a one-time item, with a change, for the taker whose random id is `taker`: of any number of takers, one
/// gets the item, even when it has to ask twice.
pub async fn take(
    registry: &dyn Registry,
    key: &Key,
    taker: &str,
    change: Change,
) -> Result<Written, StoreError> {
    let change = change.and(Condition::Absent(TAKEN_BY)).set(TAKEN_BY, taker);
    Ok(registry.update(key, change).await?.proven_by(TAKEN_BY, taker))
}

/// Reads at most `limit` records of a partition that are wanted, in the order of their sort keys, of those that begin
/// with `prefix` and come after `after`; and tells whether there are more. It reads `read` at once.
pub async fn records<T: DeserializeOwned>(
    registry: &dyn Registry,
    partition: &str,
    (prefix, after): (&str, Option<String>),
    limit: usize,
    read: usize,
    wanted: impl Fn(&T) -> bool + Sync,
) -> Result<(Vec<T>, bool), StoreError> {
    let (mut found, mut last) = (Vec::new(), after);
    loop {
        let Page { items, more } = registry.list(partition, prefix, last.as_deref(), read).await?;
        last = items.last().map(|(sort, _)| sort.clone());
        for (_, item) in items {
            let record = from_item(item)?;
            if !wanted(&record) {
                continue;
            }
            if found.len() == limit {
                return Ok((found, true));
            }
            found.push(record);
        }
        if !more {
            return Ok((found, false));
        }
    }
}

/// Tells whether an item's attributes meet a condition: what every store's conditions mean.
pub fn holds(item: &Item, condition: &Condition) -> bool {
    match condition {
        Condition::Equals(attribute, value) => item.get(*attribute) == Some(value),
        Condition::Absent(attribute) => !item.contains_key(*attribute),
        Condition::After(attribute, time) => {
            item.get(*attribute).and_then(Value::as_i64).is_some_and(|value| value > *time)
        }
        Condition::Below(attribute, bound) => match (item.get(*attribute), bound) {
            (Some(Value::Number(value)), Value::Number(bound)) => value.as_i64() < bound.as_i64(),
            (Some(Value::String(value)), Value::String(bound)) => value < bound,
            _ => false,
        },
    }
}

/// The attribute that says which version of the records' layout an item has.
const SCHEMA: &str = "schema";

/// The layout that this version writes. It reads this one and earlier ones.
const TODAY: u64 = 1;

/// Writes a record as an item.
pub fn to_item(record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item = attributes(record)?;
    item.insert(SCHEMA.to_owned(), TODAY.into());
    Ok(item)
}

/// Gives a record's attributes. What is `None` or null is left out, so that it is absent.
fn attributes(record: &impl Serialize) -> Result<Item, StoreError> {
    match serde_json::to_value(record) {
        Ok(Value::Object(item)) => Ok(item.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        Ok(_) => Err(StoreError::Damaged("a record is not an object".into())),
        Err(error) => Err(StoreError::Damaged(format!("a record cannot be written: {error}"))),
    }
}

/// Reads an item as a record.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    if item.get(SCHEMA).and_then(Value::as_u64).is_some_and(|schema| schema > TODAY) {
        return Err(StoreError::Damaged(
            "a later version of valetkey wrote this record: use that version".into(),
        ));
    }
    serde_json::from_value(Value::Object(item))
        .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(value: impl Into<Value>) -> Item {
        value.into().as_object().unwrap().clone()
    }

    #[test]
    fn a_refused_write_is_ours_when_it_left_our_mark() {
        let found = Written::Refused(Some(item(json!({"owner": "me"}))));
        assert!(matches!(found.clone().proven_by("owner", "me"), Written::Done(_)));
        assert!(matches!(found.proven_by("owner", "you"), Written::Refused(_)));
        assert!(matches!(Written::Refused(None).proven_by("owner", "me"), Written::Refused(None)));
    }

    #[test]
    fn a_change_speaks_of_an_attribute_once_and_the_last_word_counts() {
        let change = Change::default().remove("a").set("b", 1).remove("a").set("a", 2).remove("b");
        assert_eq!((change.set.len(), change.remove), (1, vec!["b".into()]));
    }

    #[test]
    fn a_change_between_two_states_holds_what_differs() {
        let (before, after) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 1, "b": 4, "d": null}));
        let change = Change::between(&before, &after, &[]).unwrap();
        assert_eq!(change.set, BTreeMap::from([("b".into(), 4.into())]));
        assert_eq!(change.remove, ["c"]);
        let stated = Change::between(&before, &after, &["a", "e"]).unwrap();
        assert_eq!(stated.set, BTreeMap::from([("a".into(), 1.into()), ("b".into(), 4.into())]));
        assert_eq!(stated.remove, ["c", "e"]);
    }

    #[test]
    fn conditions_mean_what_they_say() {
        let found = item(json!({"g": 3, "expires": 10}));
        assert!(holds(&found, &Condition::Equals("g", 3.into())));
        assert!(!holds(&found, &Condition::Equals("h", 3.into())));
        assert!(holds(&found, &Condition::Absent("h")) && !holds(&found, &Condition::Absent("g")));
        assert!(
            holds(&found, &Condition::After(EXPIRES, 9)) && !holds(&found, &Condition::After(EXPIRES, 10))
        );
        assert!(!holds(&found, &Condition::After("h", 0)));
        let found = item(json!({"g": 3, "copy": "001"}));
        assert!(
            holds(&found, &Condition::Below("g", 4.into()))
                && !holds(&found, &Condition::Below("g", 3.into()))
        );
        assert!(holds(&found, &Condition::Below("copy", "002".into())));
        assert!(!holds(&found, &Condition::Below("copy", "001".into())));
        assert!(!holds(&found, &Condition::Below("h", 1.into())), "what is absent is below nothing");
    }

    #[test]
    fn what_is_none_is_absent_from_an_item() {
        assert_eq!(to_item(&json!({"a": null, "b": 1})).unwrap(), item(json!({"b": 1, "schema": 1})));
    }

    #[test]
    fn a_record_of_a_later_version_is_refused() {
        let error = from_item::<Value>(item(json!({"schema": 2}))).unwrap_err();
        assert!(error.to_string().contains("later version"), "{error}");
    }
}
