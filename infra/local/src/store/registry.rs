//! The registry in SQLite: one row an item, its attributes as JSON.

use async_trait::async_trait;
use broker::clock::Timestamp;
use broker::store::StoreError;
use broker::store::records::{Change, Condition, Due, Item, Key, Page, Registry, Scanned, Written, holds};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;

use super::{Database, WorkError};

/// Keeps records in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteRegistry {
    database: Database,
}

impl SqliteRegistry {
    /// Keeps records in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Removes what has expired; on AWS the table does it by itself.
    pub async fn remove_expired(&self, now: Timestamp) -> Result<usize, StoreError> {
        let work = move |transaction: &Transaction<'_>| {
            Ok(transaction.execute("DELETE FROM items WHERE expires <= ?1", [now])?)
        };
        self.database.run(work).await
    }
}

#[async_trait]
impl Registry for SqliteRegistry {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let key = key.clone();
        self.database.run(move |transaction| read(transaction, &key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let keys = keys.to_vec();
        self.database.run(move |transaction| keys.iter().map(|key| read(transaction, key)).collect()).await
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        let key = key.clone();
        let work = move |transaction: &Transaction<'_>| {
            if let Some(found) = read(transaction, &key)? {
                return Ok(Written::Refused(Some(found)));
            }
            let mut insert = transaction
                .prepare_cached("INSERT INTO items (partition, sort, attributes) VALUES (?1, ?2, ?3)")?;
            insert.execute(params![key.partition, key.sort, text(&item)])?;
            Ok(Written::Done(item))
        };
        self.database.run(work).await
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        let key = key.clone();
        let work = move |transaction: &Transaction<'_>| {
            let Some(mut item) = read(transaction, &key)? else { return Ok(Written::Refused(None)) };
            if !change.conditions.iter().all(|condition| holds(&item, condition)) {
                return Ok(Written::Refused(Some(item)));
            }
            change.apply(&mut item);
            let mut update = transaction
                .prepare_cached("UPDATE items SET attributes = ?3 WHERE partition = ?1 AND sort = ?2")?;
            update.execute(params![key.partition, key.sort, text(&item)])?;
            Ok(Written::Done(item))
        };
        self.database.run(work).await
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        let key = key.clone();
        let work = move |transaction: &Transaction<'_>| {
            let Some(item) = read(transaction, &key)? else { return Ok(true) };
            if !conditions.iter().all(|condition| holds(&item, condition)) {
                return Ok(false);
            }
            transaction
                .execute("DELETE FROM items WHERE partition = ?1 AND sort = ?2", [key.partition, key.sort])?;
            Ok(true)
        };
        self.database.run(work).await
    }

    async fn list(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let partition = partition.to_owned();
        let (from, to) = (after.unwrap_or("").max(prefix).to_owned(), format!("{prefix}\u{10FFFF}"));
        let after = after.unwrap_or("").to_owned();
        let work = move |transaction: &Transaction<'_>| {
            let mut select = transaction.prepare_cached(
                "SELECT sort, attributes FROM items
                 WHERE partition = ?1 AND sort >= ?2 AND sort < ?3 AND sort > ?4 ORDER BY sort LIMIT ?5",
            )?;
            let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let rows = select.query_map(params![partition, from, to, after, asked], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            let mut items = Vec::new();
            for row in rows {
                let (sort, attributes) = row?;
                items.push((sort, item(&attributes)?));
            }
            let more = items.len() > limit;
            items.truncate(limit);
            Ok(Page { items, more })
        };
        self.database.run(work).await
    }

    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let agenda = agenda.to_owned();
        let Due { key, at } = after.cloned().unwrap_or(Due { key: Key::new("", ""), at: Timestamp::MIN });
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let work = move |transaction: &Transaction<'_>| {
            let mut select = transaction.prepare_cached(
                "SELECT due, partition, sort FROM items
                 WHERE agenda = ?1 AND due <= ?2 AND (due, partition, sort) > (?3, ?4, ?5)
                 ORDER BY due, partition, sort LIMIT ?6",
            )?;
            let found = params![agenda, until, at, key.partition, key.sort, limit];
            let rows = select.query_map(found, due)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.run(work).await
    }

    async fn farthest(&self, agenda: &str, limit: usize) -> Result<Vec<Due>, StoreError> {
        let (agenda, limit) = (agenda.to_owned(), i64::try_from(limit).unwrap_or(i64::MAX));
        let work = move |transaction: &Transaction<'_>| {
            let mut select = transaction.prepare_cached(
                "SELECT due, partition, sort FROM items WHERE agenda = ?1 AND due IS NOT NULL
                 ORDER BY due DESC LIMIT ?2",
            )?;
            let rows = select.query_map(params![agenda, limit], due)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.run(work).await
    }

    async fn scan(&self, from: Option<&Key>, limit: usize) -> Result<Scanned, StoreError> {
        let Key { partition, sort } = from.cloned().unwrap_or(Key::new("", ""));
        let asked = i64::try_from(limit).unwrap_or(i64::MAX);
        let work = move |transaction: &Transaction<'_>| {
            let mut select = transaction.prepare_cached(
                "SELECT partition, sort, attributes FROM items
                 WHERE (partition, sort) > (?1, ?2) ORDER BY partition, sort LIMIT ?3",
            )?;
            let rows = select.query_map(params![partition, sort, asked], |row| {
                Ok((Key::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?), row.get::<_, String>(2)?))
            })?;
            let mut items = Vec::new();
            for row in rows {
                let (key, attributes) = row?;
                items.push((key, item(&attributes)?));
            }
            let next = items.last().filter(|_| items.len() >= limit).map(|(key, _)| key.clone());
            Ok(Scanned { items, next })
        };
        self.database.run(work).await
    }

    async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        let counter = counter.to_owned();
        let work = move |transaction: &Transaction<'_>| {
            let mut count = transaction.prepare_cached(
                "INSERT INTO items (partition, sort, attributes) VALUES ('counter', ?1, '{\"value\":1}')
                 ON CONFLICT DO UPDATE
                 SET attributes = json_set(attributes, '$.value', json_extract(attributes, '$.value') + 1)
                 RETURNING json_extract(attributes, '$.value')",
            )?;
            Ok(count.query_row([counter], |row| row.get::<_, i64>(0))?.unsigned_abs())
        };
        self.database.run(work).await
    }
}

fn due(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due { at: row.get(0)?, key: Key::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?) })
}

fn read(transaction: &Transaction<'_>, key: &Key) -> Result<Option<Item>, WorkError> {
    let mut select =
        transaction.prepare_cached("SELECT attributes FROM items WHERE partition = ?1 AND sort = ?2")?;
    let found: Option<String> = select.query_row([&key.partition, &key.sort], |row| row.get(0)).optional()?;
    Ok(found.map(|attributes| item(&attributes)).transpose()?)
}

fn item(attributes: &str) -> Result<Item, StoreError> {
    serde_json::from_str(attributes)
        .map_err(|error| StoreError::Damaged(format!("an item cannot be read: {error}")))
}

fn text(item: &Item) -> String {
    Value::Object(item.clone()).to_string()
}
