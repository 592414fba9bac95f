//! What the library logs in this thread.

use std::fmt::Debug;
use std::ops::Index;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Level, Metadata, Subscriber};

use crate::wait::until;

/// An event, with its fields in the order in which they were recorded.
#[derive(Clone, Debug)]
pub struct Event {
    /// How important it is.
    pub level: Level,
    /// The names of its fields, `message` among them, and their values as `Debug` writes them.
    pub fields: Vec<(&'static str, String)>,
}

impl Event {
    /// Returns the value of a field, without the quotes of a string.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(field, _)| *field == name)?;
        Some(value.trim_matches('"'))
    }

    /// Returns all of it in one line: `WARN message=slow command name="Add" `.
    pub fn line(&self) -> String {
        let mut line = format!("{} ", self.level);
        for (name, value) in &self.fields {
            line += &format!("{name}={value} ");
        }
        line
    }
}

/// The value of a field that must be there, or `level`.
impl Index<&str> for Event {
    type Output = str;

    fn index(&self, name: &str) -> &str {
        if name == "level" {
            return self.level.as_str();
        }
        self.get(name).unwrap_or_else(|| panic!("{self:?} has no `{name}`"))
    }
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }
}

/// The events of the library in this thread.
#[derive(Clone)]
pub struct Log {
    events: Arc<Mutex<Vec<Event>>>,
    level: Level,
}

impl Log {
    /// Begins to keep events of this level and of more important ones, until the guard is dropped.
    pub fn start(level: Level) -> (Self, DefaultGuard) {
        let log = Self { events: Arc::default(), level };
        (log.clone(), set_default(log))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the events so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    /// Returns the events so far, and forgets them.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.lock())
    }

    /// Returns those whose message begins so.
    pub fn beginning(&self, message: &str) -> Vec<Event> {
        let begins = |event: &&Event| event.get("message").is_some_and(|text| text.starts_with(message));
        self.lock().iter().filter(begins).cloned().collect()
    }

    /// Returns those whose [line](Event::line) has this text in it.
    pub fn with(&self, text: &str) -> Vec<Event> {
        self.lock().iter().filter(|event| event.line().contains(text)).cloned().collect()
    }

    /// Waits for an event with this text in its [line](Event::line), and returns that.
    ///
    /// # Panics
    ///
    /// If it does not come in time.
    pub async fn says(&self, text: &str) -> String {
        until(|| !self.with(text).is_empty()).await;
        self.with(text)[0].line()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Not only events: `tracing::enabled!` asks by something else.
        !metadata.is_span() && metadata.target().starts_with("cmd_stream") && *metadata.level() <= self.level
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut kept = Event { level: *event.metadata().level(), fields: Vec::new() };
        event.record(&mut kept);
        self.lock().push(kept);
    }
}
