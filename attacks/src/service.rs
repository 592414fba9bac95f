//! The service that is attacked. Knows nothing of attacks: its Commands are what a careless service may have.

use std::fmt;
use std::hint::spin_loop;
use std::time::{Duration, Instant};

use cmd_stream::protocol::kind::Plain;
use cmd_stream::{Answer, Command, Context, Execute, Failed, Failure, Proxy, Reply, protocol};
use mus_format::Mus;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// The Receiver.
pub(crate) struct Desk;

protocol! {
    /// All that can be asked of it, in each Format.
    pub(crate) struct Attacked {
        commands {
            0 => Quick -> Done,
            1 => Large,
            2 => Stay -> Done,
            3 => Linger -> Done,
            4 => Compute -> Done,
            5 => Fail -> Done,
            6 => Nest -> Done,
            7 => Hoard -> Done,
        }
        replies { 0 => Done, 1 => Part, 2 => Fault }
        failure Fault
    }
}

/// The tags of the Commands that attackers write as bytes.
pub(crate) mod tag {
    pub(crate) const QUICK: u64 = 0;
    pub(crate) const LARGE: u64 = 1;
    pub(crate) const STAY: u64 = 2;
    pub(crate) const LINGER: u64 = 3;
    pub(crate) const COMPUTE: u64 = 4;
    pub(crate) const FAIL: u64 = 5;
    pub(crate) const NEST: u64 = 6;
    pub(crate) const HOARD: u64 = 7;
    /// A Reply.
    pub(crate) const PART: u64 = 1;
}

/// Is answered at once. What an honest client calls.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Quick {}

/// Is answered with `count` Parts of this size.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Large {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) count: u64,
}

/// Runs until its connection is gone, with its data.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Stay {
    #[prost(string, tag = "1")]
    pub(crate) data: String,
}

/// Runs for this time, whether its connection is there or not.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Linger {
    #[prost(uint64, tag = "1")]
    pub(crate) milliseconds: u64,
}

/// Computes for this time.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Compute {
    #[prost(uint64, tag = "1")]
    pub(crate) microseconds: u64,
}

/// Fails with a text of this size.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Fail {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
}

/// Contains itself.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Nest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) inner: Vec<Self>,
}

/// Runs until its connection is gone, with its rows.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Hoard {
    #[prost(message, repeated, tag = "1")]
    pub(crate) rows: Vec<Row>,
}

/// Takes 64 bytes of memory. In Protobuf an empty one takes two bytes on the wire.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Row {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) data: Vec<u8>,
    #[prost(double, tag = "4")]
    pub(crate) value: f64,
}

#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Done {}

/// A part of a large answer.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Part {
    #[prost(string, tag = "1")]
    pub(crate) data: String,
    #[prost(bool, tag = "2")]
    pub(crate) last: bool,
}

/// What went wrong.
#[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
pub(crate) struct Fault {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

impl Reply for Done {}
impl Reply for Fault {}

impl Reply for Part {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn from_failed(failed: &Failed) -> Self {
        Self { text: failed.to_string() }
    }
}

impl Command for Large {
    type Reply = Part;
    type Kind = Plain;
}

impl Answer<Desk> for Quick {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done {})
    }
}

impl Execute<Desk> for Large {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        let bytes = usize::try_from(self.bytes)?.min(MOST_BYTES);
        for n in 1..=self.count {
            // Whoever makes large values asks for room first.
            proxy.ready().await?;
            proxy.send(Part { data: "x".repeat(bytes), last: n == self.count }).await?;
        }
        Ok(())
    }
}

impl Answer<Desk> for Stay {
    async fn answer(self, _: &Desk, context: &Context<'_>) -> Result<Done, Failed> {
        context.closed().await;
        drop(self.data);
        Ok(Done {})
    }
}

impl Answer<Desk> for Hoard {
    async fn answer(self, _: &Desk, context: &Context<'_>) -> Result<Done, Failed> {
        context.closed().await;
        drop(self.rows);
        Ok(Done {})
    }
}

impl Answer<Desk> for Linger {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        sleep(Duration::from_millis(self.milliseconds).min(LONGEST_LINGER)).await;
        Ok(Done {})
    }
}

impl Answer<Desk> for Compute {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        let (started, time) = (Instant::now(), Duration::from_micros(self.microseconds).min(LONGEST_COMPUTE));
        while started.elapsed() < time {
            spin_loop();
        }
        Ok(Done {})
    }
}

impl Answer<Desk> for Fail {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        Err(Failed::new("x".repeat(usize::try_from(self.bytes)?.min(MOST_BYTES))))
    }
}

impl Answer<Desk> for Nest {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done {})
    }
}

// What a client may ask for at once. A service has such limits: random bytes may be a Command, too.
const MOST_BYTES: usize = 1 << 20;
const LONGEST_LINGER: Duration = Duration::from_secs(30);
const LONGEST_COMPUTE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_large_as_it_says() {
        assert_eq!(size_of::<Row>(), 64);
        assert_eq!(prost::Message::encode_to_vec(&Hoard { rows: vec![Row::default()] }), [1 << 3 | 2, 0]);
    }
}
