//! The registry on DynamoDB: one table, an item a record, conditions evaluated by DynamoDB.

mod attribute;
mod expression;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue};
use broker::clock::Timestamp;
use broker::random;
use broker::store::StoreError;
use broker::store::records::{
    AGENDA, COUNT, COUNTERS, Change, Condition, DUE, Due, Item, Key, Page, Registry, Scanned, Written,
};
use expression::Expression;

use crate::failure::{is, store};

/// The table's partition key.
pub const PARTITION: &str = "pk";
/// The table's sort key.
pub const SORT: &str = "sk";

/// The index of the items that are on an agenda, by agenda and time; it projects keys alone.
pub const AGENDAS: &str = "agendas";

/// A condition did not hold.
const REFUSED: &str = "ConditionalCheckFailedException";

/// How often a batch is asked for.
const BATCHES: u32 = 5;

/// Keeps records in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoRegistry {
    client: Client,
    table: String,
}

impl DynamoRegistry {
    /// Keeps records in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads what refused a write.
    async fn refused(&self, key: &Key) -> Result<Written, StoreError> {
        Ok(Written::Refused(self.get(key).await?))
    }
}

#[async_trait]
impl Registry for DynamoRegistry {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(primary(key)));
        let read = request.consistent_read(true).send().await;
        let found = read.map_err(|error| store("GetItem", &error))?.item;
        found.map(record).transpose()
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let mut found = HashMap::new();
        let mut wanted: Vec<_> = keys.iter().map(primary).collect();
        for attempt in 0..BATCHES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(random::between(0, 50 << attempt))).await;
            }
            let batch = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let batch = batch.map_err(|error| StoreError::Damaged(error.to_string()))?;
            let read = self.client.batch_get_item().request_items(&self.table, batch).send().await;
            let read = read.map_err(|error| store("BatchGetItem", &error))?;
            for item in read.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                found.insert(place(&item)?, record(item)?);
            }
            // What a throttled table has left out is asked for again.
            wanted = read
                .unprocessed_keys
                .into_iter()
                .flat_map(HashMap::into_values)
                .flat_map(|left| left.keys)
                .collect();
            if wanted.is_empty() {
                let parts = |key: &Key| (key.partition.clone(), key.sort.clone());
                return Ok(keys.iter().map(|key| found.remove(&parts(key))).collect());
            }
        }
        Err(StoreError::Unavailable("BatchGetItem: items were left out again and again".into()))
    }

    async fn insert(&self, key: &Key, item: Item) -> Result<Written, StoreError> {
        let mut attributes = primary(key);
        attributes.extend(item.iter().map(|(name, value)| (name.clone(), attribute::write(value))));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(attributes));
        match request.condition_expression(format!("attribute_not_exists({PARTITION})")).send().await {
            Ok(_) => Ok(Written::Done(item)),
            Err(error) if is(&error, REFUSED) => self.refused(key).await,
            Err(error) => Err(store("PutItem", &error)),
        }
    }

    async fn update(&self, key: &Key, change: Change) -> Result<Written, StoreError> {
        let mut expression = Expression::default();
        let condition = expression.conditions(&change.conditions);
        let update = expression.update(&change);
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(primary(key)))
            .set_update_expression(update)
            .condition_expression(format!("attribute_exists({PARTITION}){condition}"))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match updated {
            Ok(updated) => Ok(Written::Done(record(updated.attributes.unwrap_or_default())?)),
            Err(error) if is(&error, REFUSED) => self.refused(key).await,
            Err(error) => Err(store("UpdateItem", &error)),
        }
    }

    async fn remove(&self, key: &Key, conditions: Vec<Condition>) -> Result<bool, StoreError> {
        let mut expression = Expression::default();
        let condition = expression.conditions(&conditions);
        let removed = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(primary(key)))
            .condition_expression(format!(
                "attribute_not_exists({PARTITION}) OR (attribute_exists({PARTITION}){condition})"
            ))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .send()
            .await;
        match removed {
            Ok(_) => Ok(true),
            Err(error) if is(&error, REFUSED) => Ok(false),
            Err(error) => Err(store("DeleteItem", &error)),
        }
    }

    async fn list(
        &self,
        partition: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut expression = Expression::default();
        let mut condition =
            format!("{PARTITION} = {}", expression.value(AttributeValue::S(partition.into())));
        if !prefix.is_empty() {
            let prefix = expression.value(AttributeValue::S(prefix.into()));
            condition = format!("{condition} AND begins_with({SORT}, {prefix})");
        }
        let mut page = Page::default();
        let mut start = after.map(|sort| primary(&Key::new(partition, sort)));
        loop {
            let wanted = i32::try_from(limit - page.items.len()).unwrap_or(i32::MAX);
            let read = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression(&condition)
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(start)
                .limit(wanted)
                .consistent_read(true)
                .send()
                .await
                .map_err(|error| store("Query", &error))?;
            for item in read.items.unwrap_or_default() {
                let sort = item.get(SORT).and_then(|sort| sort.as_s().ok()).cloned().unwrap_or_default();
                page.items.push((sort, record(item)?));
            }
            start = read.last_evaluated_key;
            page.more = start.is_some();
            if !page.more || page.items.len() >= limit {
                return Ok(page);
            }
        }
    }

    async fn due(
        &self,
        agenda: &str,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let (named, until) = (AttributeValue::S(agenda.into()), AttributeValue::N(until.to_string()));
        let mut start = after.map(|due| indexed(agenda, due));
        let mut found = Vec::new();
        loop {
            let wanted = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            let read = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(AGENDAS)
                .key_condition_expression("#agenda = :agenda AND #due <= :until")
                .expression_attribute_names("#agenda", AGENDA)
                .expression_attribute_names("#due", DUE)
                .expression_attribute_values(":agenda", named.clone())
                .expression_attribute_values(":until", until.clone())
                .set_exclusive_start_key(start)
                .limit(wanted)
                .send()
                .await
                .map_err(|error| store("Query", &error))?;
            for item in read.items.unwrap_or_default() {
                found.push(due(&item)?);
            }
            start = read.last_evaluated_key;
            if start.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    async fn farthest(&self, agenda: &str, limit: usize) -> Result<Vec<Due>, StoreError> {
        let read = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(AGENDAS)
            .key_condition_expression("#agenda = :agenda")
            .expression_attribute_names("#agenda", AGENDA)
            .expression_attribute_values(":agenda", AttributeValue::S(agenda.into()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store("Query", &error))?;
        read.items.unwrap_or_default().iter().map(due).collect()
    }

    async fn scan(&self, from: Option<&Key>, limit: usize) -> Result<Scanned, StoreError> {
        let read = self
            .client
            .scan()
            .table_name(&self.table)
            .set_exclusive_start_key(from.map(primary))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store("Scan", &error))?;
        let named = |item| {
            let (partition, sort) = place(&item)?;
            Ok((Key::new(partition, sort), record(item)?))
        };
        let items =
            read.items.unwrap_or_default().into_iter().map(named).collect::<Result<_, StoreError>>()?;
        let next = read.last_evaluated_key.map(|last| place(&last)).transpose()?;
        Ok(Scanned { items, next: next.map(|(partition, sort)| Key::new(partition, sort)) })
    }

    async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        let reply = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(primary(&Key::new(COUNTERS, counter))))
            .update_expression("ADD #value :one")
            .expression_attribute_names("#value", COUNT)
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| store("UpdateItem", &error))?;
        let value = reply.attributes.as_ref().and_then(|found| found.get(COUNT)?.as_n().ok()?.parse().ok());
        value.ok_or_else(|| StoreError::Damaged(format!("the counter {counter} has no number")))
    }
}

fn primary(key: &Key) -> HashMap<String, AttributeValue> {
    HashMap::from([
        (PARTITION.to_owned(), AttributeValue::S(key.partition.clone())),
        (SORT.to_owned(), AttributeValue::S(key.sort.clone())),
    ])
}

/// Tells where an item is: its partition and sort keys.
fn place(item: &HashMap<String, AttributeValue>) -> Result<(String, String), StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    text(PARTITION).zip(text(SORT)).ok_or_else(|| StoreError::Damaged("an item lacks a key".into()))
}

/// Names an item in the index.
fn indexed(agenda: &str, due: &Due) -> HashMap<String, AttributeValue> {
    let mut key = primary(&due.key);
    key.insert(AGENDA.to_owned(), AttributeValue::S(agenda.to_owned()));
    key.insert(DUE.to_owned(), AttributeValue::N(due.at.to_string()));
    key
}

/// Reads where an item of the index is.
fn due(item: &HashMap<String, AttributeValue>) -> Result<Due, StoreError> {
    let (partition, sort) = place(item)?;
    let at = item.get(DUE).and_then(|value| value.as_n().ok()?.parse().ok());
    let at = at.ok_or_else(|| StoreError::Damaged("an item of the index has no time".into()))?;
    Ok(Due { key: Key::new(partition, sort), at })
}

/// Reads a record out of a table's item: all but its keys.
fn record(item: HashMap<String, AttributeValue>) -> Result<Item, StoreError> {
    let attributes = item.into_iter().filter(|(name, _)| name != PARTITION && name != SORT);
    attributes.map(|(name, value)| Ok((name, attribute::read(value)?))).collect()
}
