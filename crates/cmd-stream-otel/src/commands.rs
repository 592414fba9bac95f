//! What is known of each Command of a Protocol: its names, and where its metrics are recorded. It is made when the Command is
//! first seen, and then only read.

use std::any::type_name;
use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cmd_stream::protocol::{Entry, Protocol};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter};

use crate::Traced;
use crate::semconv;

/// How a Command ended: the attribute `cmd-stream.command.status`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Status {
    /// It has sent, or got, its last Reply; or it is one-way, and has run or was written.
    Ok,
    /// It failed, or was answered with the Protocol's failure.
    Failed,
    /// Its deadline passed. Only clients know of deadlines.
    Timeout,
}

impl Status {
    const COUNT: usize = 3;

    /// Returns the value of the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Failed => "FAILED",
            Self::Timeout => "TIMEOUT",
        }
    }
}

/// Which units and buckets the durations have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durations {
    Seconds,
    /// As Go records them, though the unit of the instrument says seconds.
    Milliseconds,
}

/// The Commands of a Protocol on one side.
pub(crate) struct Commands<P> {
    instruments: Instruments,
    list: Box<[OnceLock<Command>]>,
    protocol: PhantomData<fn() -> P>,
}

/// One Command.
pub(crate) struct Command {
    /// The attribute `cmd-stream.command.type`.
    pub(crate) type_name: &'static str,
    /// The name of its spans.
    pub(crate) span: &'static str,
    ends: [OnceLock<Bound>; Status::COUNT],
    /// One for each Reply of the Protocol.
    results: Box<[OnceLock<Bound>]>,
}

/// What is recorded of a Command, or of a Reply.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// In bytes, if it is known.
    pub(crate) size: Option<u64>,
    pub(crate) duration: Duration,
}

impl<P: Protocol> Commands<P> {
    pub(crate) fn new(meter: &Meter, names: &semconv::Instruments, durations: Durations) -> Self {
        let list = P::COMMANDS.iter().map(|_| OnceLock::new()).collect();
        Self { instruments: Instruments::new(meter, names, durations), list, protocol: PhantomData }
    }

    /// The Command with this entry. `verb` is the first word of its spans, `rust_type` the name of its type.
    pub(crate) fn get(
        &self,
        entry: &'static Entry,
        verb: &str,
        rust_type: impl FnOnce() -> &'static str,
    ) -> &Command {
        self.list[position(P::COMMANDS, entry)].get_or_init(|| {
            let type_name = command_type(rust_type(), entry);
            let span = intern(format!("{verb} {type_name}"));
            let results = P::REPLIES.iter().map(|_| OnceLock::new()).collect();
            Command { type_name, span, ends: [const { OnceLock::new() }; Status::COUNT], results }
        })
    }

    /// The Command with this entry, if it was seen.
    pub(crate) fn seen(&self, entry: &'static Entry) -> Option<&Command> {
        self.list[position(P::COMMANDS, entry)].get()
    }

    /// Records that a Command has ended. `custom` are attributes of the user's.
    pub(crate) fn ended(
        &self,
        command: &Command,
        status: Status,
        measured: Measured,
        custom: Option<Vec<KeyValue>>,
    ) {
        let attributes = || {
            [
                KeyValue::new(semconv::COMMAND_STATUS, status.as_str()),
                KeyValue::new(semconv::COMMAND_TYPE, command.type_name),
            ]
        };
        self.instruments.command.record(&command.ends[status as usize], measured, attributes, custom);
    }

    /// Records a Reply of a Command.
    pub(crate) fn replied(
        &self,
        command: &Command,
        reply: &'static Entry,
        measured: Measured,
        custom: Option<Vec<KeyValue>>,
    ) {
        let attributes = || {
            [
                KeyValue::new(semconv::COMMAND_TYPE, command.type_name),
                KeyValue::new(semconv::RESULT_TYPE, reply.name),
            ]
        };
        let bound = &command.results[position(P::REPLIES, reply)];
        self.instruments.result.record(bound, measured, attributes, custom);
    }
}

/// Where an entry is in its list. As a rule the tags count from 0.
fn position(entries: &[Entry], entry: &Entry) -> usize {
    let guess = usize::try_from(entry.tag.get()).unwrap_or(usize::MAX);
    if entries.get(guess).is_some_and(|other| other.tag == entry.tag) {
        return guess;
    }
    entries.iter().position(|other| other.tag == entry.tag).expect("the entry is of the Protocol")
}

/// The name of a Command as Go has it: that of its entry, or for a wrapper that of the type inside.
fn command_type(rust_type: &'static str, entry: &'static Entry) -> &'static str {
    let wrapper = type_name::<Traced<()>>();
    let inside =
        wrapper.strip_suffix("()>").and_then(|wrapper| rust_type.strip_prefix(wrapper)?.strip_suffix('>'));
    match inside {
        Some(inside) => intern(format!("{} (trace)", without_paths(inside))),
        None => entry.name,
    }
}

/// The name of a type without the paths in it: `a::Add<b::Id>` as `Add<Id>`. Its parameters stay, as they tell it from others.
fn without_paths(rust_type: &str) -> String {
    let ends_path = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'));
    rust_type
        .split_inclusive(ends_path)
        .map(|piece| piece.rsplit_once("::").map_or(piece, |(_, last)| last))
        .collect()
}

/// Makes a name live as long as the program. There are as many as there are types of Commands, and each is kept once.
fn intern(name: String) -> &'static str {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(&*name) {
        return known;
    }
    let name: &'static str = name.leak();
    names.insert(name);
    name
}

/// The instruments of one side.
struct Instruments {
    command: Group,
    result: Group,
}

/// Three instruments with the same attributes.
struct Group {
    count: Counter<u64>,
    size: Histogram<u64>,
    duration: Histogram<f64>,
    durations: Durations,
}

/// The same, with attributes that are looked up once.
struct Bound {
    count: BoundCounter<u64>,
    size: BoundHistogram<u64>,
    duration: BoundHistogram<f64>,
}

impl Instruments {
    fn new(meter: &Meter, names: &semconv::Instruments, durations: Durations) -> Self {
        Self {
            command: Group::new(
                meter,
                [&names.command_count, &names.command_size, &names.command_duration],
                durations,
            ),
            result: Group::new(
                meter,
                [&names.result_count, &names.result_size, &names.result_duration],
                durations,
            ),
        }
    }
}

impl Group {
    fn new(meter: &Meter, [count, size, duration]: [&semconv::Instrument; 3], durations: Durations) -> Self {
        let count =
            meter.u64_counter(count.name).with_unit(count.unit).with_description(count.description).build();
        let mut sizes =
            meter.u64_histogram(size.name).with_unit(size.unit).with_description(size.description);
        let mut times = meter
            .f64_histogram(duration.name)
            .with_unit(duration.unit)
            .with_description(duration.description);
        if durations == Durations::Seconds {
            sizes = sizes.with_boundaries(semconv::BYTES.into());
            times = times.with_boundaries(semconv::SECONDS.into());
        }
        Self { count, size: sizes.build(), duration: times.build(), durations }
    }

    fn record(
        &self,
        bound: &OnceLock<Bound>,
        Measured { size, duration }: Measured,
        attributes: impl FnOnce() -> [KeyValue; 2],
        custom: Option<Vec<KeyValue>>,
    ) {
        let duration = match self.durations {
            Durations::Seconds => duration.as_secs_f64(),
            Durations::Milliseconds => duration.as_secs_f64() * 1e3,
        };
        if let Some(mut all) = custom {
            all.extend(attributes());
            self.count.add(1, &all);
            if let Some(size) = size {
                self.size.record(size, &all);
            }
            self.duration.record(duration, &all);
            return;
        }
        let bound = bound.get_or_init(|| {
            let attributes = attributes();
            Bound {
                count: self.count.bind(&attributes),
                size: self.size.bind(&attributes),
                duration: self.duration.bind(&attributes),
            }
        });
        bound.count.add(1);
        if let Some(size) = size {
            bound.size.record(size);
        }
        bound.duration.record(duration);
    }
}

#[cfg(test)]
mod tests {
    use cmd_stream::proto::Tag;

    use super::*;

    struct Inner<T>(T);

    #[test]
    fn a_wrapper_is_named_after_the_type_inside() {
        static ENTRY: Entry = Entry::new(Tag::new(0), "Entry");
        for (rust_type, expected) in [
            (type_name::<Traced<String>>(), "String (trace)"),
            (type_name::<Traced<Inner<Option<u8>>>>(), "Inner<Option<u8>> (trace)"),
            (type_name::<Traced<Inner<(String, [Vec<u8>; 2])>>>(), "Inner<(String, [Vec<u8>; 2])> (trace)"),
            (type_name::<Inner<Traced<String>>>(), "Entry"),
            (type_name::<String>(), "Entry"),
        ] {
            assert_eq!(command_type(rust_type, &ENTRY), expected, "{rust_type}");
        }
        let _ = Inner(0).0;
    }

    #[test]
    fn an_entry_is_found_whatever_its_tag_is() {
        let entries = [(7, "a"), (1, "b"), (0, "c")].map(|(tag, name)| Entry::new(Tag::new(tag), name));
        for (at, entry) in entries.iter().enumerate() {
            assert_eq!(position(&entries, entry), at);
        }
    }

    #[test]
    fn a_name_is_kept_once() {
        assert!(std::ptr::eq(intern("Send One".into()), intern("Send One".into())));
    }
}
