//! A log line: one JSON object an event, with what its spans know, and with its metrics in CloudWatch's
//! embedded format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::fmt::Debug;
use std::io::Write;

use broker::clock;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What the name of a metric's field begins with, and its unit.
const UNITS: [(&str, &str); 3] =
    [("count.", "Count"), ("milliseconds.", "Milliseconds"), ("seconds.", "Seconds")];

/// Writes every event as a line.
pub(super) struct Lines<M> {
    make: M,
    labels: Labels,
}

/// What metrics are filed under.
pub(super) struct Labels {
    /// Their namespace.
    pub(super) namespace: String,
    /// The name of the function that runs.
    pub(super) function: String,
    /// Its version.
    pub(super) version: String,
}

impl<M> Lines<M> {
    /// Writes to what `make` gives.
    pub(super) fn new(make: M, labels: Labels) -> Self {
        Self { make, labels }
    }
}

impl<S, M, W> Layer<S> for Lines<M>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    M: Fn() -> W + 'static,
    W: Write,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(known) = span.extensions().get::<Fields>() {
                fields.0.extend(known.0.clone());
            }
        }
        event.record(&mut fields);
        let now = clock::log_time();
        let mut line = metrics(fields.0, &self.labels, now);
        line.insert("timestamp".into(), clock::rfc3339_milliseconds(now).into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        // Nobody could be told that the log cannot be written.
        let _ = (self.make)().write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}

/// Gives metrics their names, and says which members are metrics.
fn metrics(fields: Map<String, Value>, labels: &Labels, now: i64) -> Map<String, Value> {
    let (mut line, mut found) = (Map::new(), Vec::new());
    for (name, value) in fields {
        let unit = UNITS.iter().find_map(|(prefix, unit)| Some((name.strip_prefix(prefix)?, *unit)));
        match unit {
            Some((name, unit)) => {
                found.push(json!({"Name": name, "Unit": unit}));
                line.insert(name.to_owned(), value);
            }
            None => drop(line.insert(name, value)),
        }
    }
    if !found.is_empty() {
        // What a vendor takes differs; the rest is one metric for all, since each costs.
        let measured = found.iter().any(|metric| metric["Unit"] == "Milliseconds");
        let each = measured && line.contains_key("element");
        // A fault says something of the version that runs: the alarms of a deployment look at these.
        let fault = line.get("fault") == Some(&Value::Bool(true));
        let dimensions = if fault {
            line.insert("function".into(), labels.function.as_str().into());
            line.insert("version".into(), labels.version.as_str().into());
            json!([["function", "version"], []])
        } else if each {
            json!([["element"], []])
        } else {
            json!([[]])
        };
        let directive = json!({"Namespace": labels.namespace, "Dimensions": dimensions, "Metrics": found});
        line.insert("_aws".into(), json!({"Timestamp": now, "CloudWatchMetrics": [directive]}));
    }
    line
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().trim_start_matches("r#").to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(told: impl FnOnce()) -> Vec<Value> {
        use tracing_subscriber::prelude::*;
        let written = Written::default();
        let make = {
            let written = written.clone();
            move || written.clone()
        };
        let labels = Labels { namespace: "n".into(), function: "f".into(), version: "7".into() };
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(Lines::new(make, labels)),
            told,
        );
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_holds_the_event_and_its_request() {
        let lines = lines(|| {
            let _request = tracing::error_span!("request", request_id = "r1").entered();
            tracing::warn!(instance = 7, cause = ?"x\ny", "said");
        });
        let line = &lines[0];
        assert_eq!(
            (&line["request_id"], &line["level"], &line["message"]),
            (&json!("r1"), &json!("WARN"), &json!("said"))
        );
        assert_eq!((&line["instance"], line.get("_aws")), (&json!(7), None));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn metrics_are_declared_as_cloudwatch_reads_them() {
        let lines = lines(|| {
            tracing::info!(element = "e", milliseconds.Vendor = 1.5, count.VendorFailed = 1, "asked");
            tracing::info!(element = "e", count.GrantLost = 1, fault = false, "lost");
        });
        let declared = &lines[0]["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Dimensions"], json!([["element"], []]));
        for metric in declared["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(lines[0][name].is_number(), "{name} is a member of the line");
        }
        assert_eq!((&lines[0]["Vendor"], &lines[0]["VendorFailed"]), (&json!(1.5), &json!(1)));
        assert!(lines[0]["_aws"]["Timestamp"].as_i64().unwrap() > 1_700_000_000_000);
        assert_eq!(lines[1]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
    }
    #[test]
    fn the_metrics_of_a_fault_are_also_told_for_the_version_that_runs() {
        let lines = lines(|| tracing::error!(count.ServerError = Some(1), fault = true, "failed"));
        let declared = &lines[0]["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Dimensions"], json!([["function", "version"], []]));
        assert_eq!((&lines[0]["function"], &lines[0]["version"]), (&json!("f"), &json!("7")));
        assert_eq!(lines[0]["ServerError"], 1);
    }

    #[test]
    fn a_metric_without_a_value_is_none() {
        let lines = lines(|| tracing::error!(count.ServerError = None::<u8>, fault = false, "failed"));
        assert_eq!((lines[0].get("_aws"), lines[0].get("ServerError")), (None, None));
    }
}
