//! Values that clients write in more than one way.

use serde_json::Value;

/// Reads text; numbers and truth values are taken as they are written.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
