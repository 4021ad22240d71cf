//! What a test's own thread is told: events and the metrics that they carry.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, set_global_default};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// The events of a thread since it began to listen.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<Fields>>>);

/// The fields of an event, each with its value.
type Fields = Vec<(String, String)>;

impl Told {
    /// Listens on this thread until the guard is dropped.
    pub fn listen() -> (Self, DefaultGuard) {
        // While there is one subscriber alone, an event that happens first on a thread without one would be
        // switched off for all threads.
        static EVERYWHERE: Once = Once::new();
        EVERYWHERE.call_once(|| set_global_default(tracing_subscriber::registry()).unwrap());
        let told = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
        (told, guard)
    }

    /// Counts the events that carry this metric.
    pub fn count(&self, metric: &str) -> usize {
        let name = format!("count.{metric}");
        self.0.lock().unwrap().iter().filter(|fields| fields.iter().any(|(field, _)| *field == name)).count()
    }

    /// Gives the values of a field, of all events that have it.
    pub fn values(&self, field: &str) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let fields = events.iter().flatten().filter(|(name, _)| name == field);
        fields.map(|(_, value)| value.clone()).collect()
    }

    /// Gives the instances that events with this metric were about.
    pub fn instances(&self, metric: &str) -> BTreeSet<u64> {
        let name = format!("count.{metric}");
        let events = self.0.lock().unwrap();
        let about = events.iter().filter(|fields| fields.iter().any(|(field, _)| *field == name));
        let instance = |fields: &Fields| fields.iter().find(|(field, _)| field == "instance")?.1.parse().ok();
        about.filter_map(instance).collect()
    }

    /// Gives the metrics that were counted, in their order.
    pub fn metrics(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .flatten()
            .filter_map(|(name, _)| name.strip_prefix("count.").map(str::to_owned))
            .collect()
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut found = Found::default();
        event.record(&mut found);
        self.0.lock().unwrap().push(found.0);
    }
}

#[derive(Default)]
struct Found(Fields);

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }
}
