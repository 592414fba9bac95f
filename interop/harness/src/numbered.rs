//! Numbered messages, for tests that kill either end in mid-traffic. Each is sent once. The server records the number of each
//! message before it executes it, so that a test can compare what ran with what the client was told.
//!
//! On the wire it is the service of the examples `keepalive` and `reconnect`, so the Go peer has it, too.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use cmd_stream::sender::SendCommand;
use cmd_stream::{Answer, CallError, Context, Failed, protocol};
use serde::{Deserialize, Serialize};

/// The Receiver: records which messages were executed.
pub struct Recorder {
    record: File,
}

impl Recorder {
    /// Appends to a file. There is no buffer, so what was recorded outlives a process that is killed.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub fn new(record: &Path) -> io::Result<Self> {
        Ok(Self { record: OpenOptions::new().create(true).append(true).open(record)? })
    }
}

/// A message. It begins with its number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Message(pub String);

/// The message, sent back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Echoed(pub String);

impl Answer<Recorder> for Message {
    async fn answer(self, recorder: &Recorder, _: &Context<'_>) -> Result<Echoed, Failed> {
        let number = self.0.split(' ').next().unwrap_or_default();
        (&recorder.record).write_all(format!("{number}\n").as_bytes())?;
        // So that a server that is killed leaves some behind that it has recorded and not answered.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(Echoed(self.0))
    }
}

protocol! {
    /// The same Command and Reply as those of the Go service `reconnect`.
    pub struct Messages {
        commands { 0 => Message -> Echoed }
        replies { 0 => Echoed }
        failure close_connection
    }
}

/// What the client was told about a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was executed, and this is its Reply.
    Answered,
    /// It failed, and may have been executed.
    MayHaveRun,
    /// It failed, and was not executed.
    DidNotRun,
}

/// Sends a message and compares the Reply.
///
/// # Panics
///
/// If it is the Reply to another message.
pub async fn send(sender: &impl SendCommand<Message, Failure = Infallible>, number: u64) -> Outcome {
    match sender.send(Message(text_of(number))).await {
        Ok(Echoed(text)) => {
            assert!(text == text_of(number), "a wrong reply to message {number}: {text:.40}");
            Outcome::Answered
        }
        Err(CallError::Failed(never)) => match never {},
        Err(CallError::Other(error)) if error.was_sent() => Outcome::MayHaveRun,
        Err(CallError::Other(_)) => Outcome::DidNotRun,
    }
}

/// Up to 5000 bytes, so that now and then a connection is lost inside a frame.
fn text_of(number: u64) -> String {
    format!("{number} {}", "x".repeat((number * 7919 % 5000) as usize))
}
