//! JSON values as DynamoDB's attribute values, and back.

use aws_sdk_dynamodb::types::AttributeValue;
use broker::store::StoreError;
use serde_json::Value;

/// Writes a JSON value.
pub(super) fn write(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(truth) => AttributeValue::Bool(*truth),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(values) => AttributeValue::L(values.iter().map(write).collect()),
        Value::Object(members) => {
            AttributeValue::M(members.iter().map(|(name, value)| (name.clone(), write(value))).collect())
        }
    }
}

/// Reads a JSON value; sets and binaries are none, and nothing of ours writes them.
pub(super) fn read(value: AttributeValue) -> Result<Value, StoreError> {
    match value {
        AttributeValue::Null(_) => Ok(Value::Null),
        AttributeValue::Bool(truth) => Ok(Value::Bool(truth)),
        AttributeValue::N(number) => serde_json::from_str(&number)
            .map_err(|_| StoreError::Damaged(format!("the number {number} cannot be read"))),
        AttributeValue::S(text) => Ok(Value::String(text)),
        AttributeValue::L(values) => values.into_iter().map(read).collect(),
        AttributeValue::M(members) => {
            members.into_iter().map(|(name, value)| Ok((name, read(value)?))).collect()
        }
        _ => Err(StoreError::Damaged("an attribute is of a type that is not ours".into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_json_value_comes_back() {
        let value = json!({"a": [null, true, -1, 9_007_199_254_740_991_i64, "", {"b.c": {}}], "d": []});
        assert_eq!(read(write(&value)).unwrap(), value);
        assert!(read(AttributeValue::Ss(vec![])).is_err());
    }
}
