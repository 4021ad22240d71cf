//! Conditions and changes as DynamoDB's expressions, with placeholders for every name and value.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use broker::store::records::{Change, Condition};

use super::attribute;

/// The names and values that an expression's placeholders stand for.
#[derive(Debug, Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Writes conditions, each after an `AND`.
    pub(super) fn conditions(&mut self, conditions: &[Condition]) -> String {
        let mut written = String::new();
        for condition in conditions {
            let condition = match condition {
                Condition::Equals(attribute, value) => {
                    format!("{} = {}", self.name(attribute), self.value(attribute::write(value)))
                }
                Condition::Absent(attribute) => format!("attribute_not_exists({})", self.name(attribute)),
                Condition::Below(attribute, bound) => {
                    format!("{} < {}", self.name(attribute), self.value(attribute::write(bound)))
                }
                Condition::After(attribute, time) => {
                    format!("{} > {}", self.name(attribute), self.value(AttributeValue::N(time.to_string())))
                }
            };
            let _ = write!(written, " AND {condition}");
        }
        written
    }

    /// Writes what a change sets and removes; nothing when it does neither.
    pub(super) fn update(&mut self, change: &Change) -> Option<String> {
        let set: Vec<_> = change
            .set
            .iter()
            .map(|(attribute, value)| {
                format!("{} = {}", self.name(attribute), self.value(attribute::write(value)))
            })
            .collect();
        let remove: Vec<_> = change.remove.iter().map(|attribute| self.name(attribute)).collect();
        let clause = |verb: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{verb} {} ", parts.join(", ")),
        };
        let written = clause("SET", &set) + &clause("REMOVE", &remove);
        (!written.is_empty()).then_some(written)
    }

    /// Gives a placeholder for a value.
    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// Gives the names, or nothing: DynamoDB refuses an empty map.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// Gives the values, or nothing: DynamoDB refuses an empty map.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_becomes_an_update_and_a_condition() {
        let change = Change::when("g", 3).and(Condition::Absent("owner")).and(Condition::After("expires", 9));
        let change = change.set("owner", "me").remove("doubt");
        let mut expression = Expression::default();
        let conditions = expression.conditions(&change.conditions);
        assert_eq!(conditions, " AND #g = :v0 AND attribute_not_exists(#owner) AND #expires > :v1");
        assert_eq!(expression.update(&change).as_deref(), Some("SET #owner = :v2 REMOVE #doubt "));
        assert_eq!(expression.names().unwrap().len(), 4);
        assert_eq!(expression.values().unwrap().len(), 3);
        assert_eq!(Expression::default().update(&Change::default()), None);
    }
}
