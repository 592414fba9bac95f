//! What hooks of a Sender are asked and told.

#[path = "../common/scripted.rs"]
mod scripted;
#[path = "../common/wire.rs"]
mod wire;

mod about;
mod drains;
mod outcomes;
mod several;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cmd_stream::circuit_breaker::{CircuitBreaker, OpenError, Settings, State};
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::{Call, Retry};
use cmd_stream::{CallError, Error, ErrorKind, Origin, Problem, Sender};
use testkit::wait::within;

use scripted::{
    Log, MILLISECOND, Number, Odd, Put, SECOND, Store, StoreReply, Watch, answer, builder, connected,
    connected_by, get, get_frame, note, note_frame, problem_frame, put, put_frame, quiet, text, told,
    watch_frame,
};
use wire::{frame, number_frame};

/// Writes down what it is asked and told.
#[derive(Clone, Debug, Default)]
struct Recorder {
    name: &'static str,
    log: Log,
    /// Refuses Commands of this name.
    refuses: &'static str,
    /// What panics: "before", "reply", "error", "timeout", "retry" or "drop".
    panics: &'static str,
}

impl Recorder {
    fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn told(&self, what: &str, outcome: &str, about: &About<'_>) {
        let (name, entry) = (self.name, about.entry().name);
        self.log.add(format!("{name}{what} {entry}: {outcome}"));
        assert!(self.panics != what, "a panic while {what} is told");
    }
}

/// What it keeps for a call.
struct Kept(Recorder);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.log.add(format!("{}dropped", self.0.name));
        assert!(self.0.panics != "drop", "a panic while the state is dropped");
    }
}

#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the shop is closed")
    }
}

impl std::error::Error for Closed {}

impl Hooks<Store> for Recorder {
    type Call = Kept;

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, entry: &'static Entry) -> Result<Kept, Refused> {
        self.log.add(format!("{}before {}", self.name, entry.name));
        assert!(self.panics != "before", "a panic while before is told");
        if self.refuses == entry.name {
            return Err(Refused::new(Closed));
        }
        Ok(Kept(self.clone()))
    }

    fn on_reply(&self, _: &mut Kept, reply: &StoreReply, about: &About<'_>) {
        let outcome = match reply {
            StoreReply::Text(text) => text.0.clone(),
            StoreReply::Number(number) => number.value.to_string(),
            StoreReply::Problem(problem) => format!("problem {}", problem.code),
        };
        self.told("reply", &outcome, about);
    }

    fn on_error(&self, _: &mut Kept, error: &Error, about: &About<'_>) {
        self.told("error", &format!("{:?}", error.kind()), about);
    }

    fn on_timeout(&self, _: &mut Kept, error: &Error, about: &About<'_>) {
        self.told("timeout", &format!("{:?}", error.kind()), about);
    }

    fn on_retry(&self, _: &mut Kept, error: &Error, about: &About<'_>) {
        self.told("retry", &format!("{:?}", error.kind()), about);
    }

    fn on_done(&self, _: &mut Kept, about: &About<'_>) {
        self.log.add(format!("{}done {}", self.name, about.entry().name));
    }
}
