//! The wrapper that carries the context of a trace with a Command.

use std::future::Future;

use cmd_stream::protocol::Metadata;
use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::server::{Execute, Proxy, Scheduling};
use cmd_stream::{Command, Failed};

mod carrier;
#[cfg(feature = "protobuf")]
mod protobuf;

use carrier::Carrier;

/// A Command that carries the context of a trace: what the propagator of [`OtelHooks`](crate::OtelHooks) writes and that of
/// [`OtelInvoker`](crate::OtelInvoker) reads, such as `traceparent`.
///
/// It is executed and answered as the Command inside. In MUS and JSON it has the bytes of Go's `TraceCmd`.
///
/// ```
/// use cmd_stream::{Command, protocol, protocol::kind::Plain};
/// use cmd_stream_otel::Traced;
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Add { a: i64, b: i64 }
/// #[derive(Serialize, Deserialize)]
/// struct Sum(i64);
///
/// impl Command for Add {
///     type Reply = Sum;
///     type Kind = Plain;
/// }
///
/// protocol! {
///     struct Calculator {
///         commands { 0 => Traced<Add> as Add }
///         replies { 0 => Sum }
///         failure close_connection
///     }
/// }
///
/// let command = Traced::new(Add { a: 2, b: 3 });
/// # let _ = command;
/// ```
///
/// The entry names no Reply, as `Traced` has that of its Command. That Command either implements
/// [`Command`] as above, or has an entry of its own, `1 => Add -> Sum`, and can then be sent without a trace as well. An entry of
/// its own is also how a client without OpenTelemetry goes on to work.
///
/// # Protobuf
///
/// Go has no form for Protobuf. Here it is this message, whose second field is the message of the Command:
///
/// ```protobuf
/// message TracedAdd {
///   map<string, string> carrier = 1;
///   Add command = 2;
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "mus", derive(mus_format::Mus))]
pub struct Traced<C> {
    /// A pointer to a map in Go.
    #[cfg_attr(feature = "json", serde(rename = "MapCarrier"))]
    carrier: Option<Carrier>,
    #[cfg_attr(feature = "json", serde(rename = "Cmd"))]
    command: C,
}

impl<C> Traced<C> {
    /// Wraps a Command. There is no context in it until it is sent.
    pub fn new(command: C) -> Self {
        Self { carrier: Some(Carrier::default()), command }
    }

    /// Returns the Command inside.
    pub fn command(&self) -> &C {
        &self.command
    }

    /// Takes the Command out.
    pub fn into_command(self) -> C {
        self.command
    }

    /// Returns what it carries: names and values, in the order of the names. `None` if the peer has sent no map, as Go may.
    pub fn carrier(&self) -> Option<impl Iterator<Item = (&str, &str)>> {
        self.carrier.as_ref().map(Carrier::iter)
    }
}

impl<C> From<C> for Traced<C> {
    fn from(command: C) -> Self {
        Self::new(command)
    }
}

impl<C: Default> Default for Traced<C> {
    fn default() -> Self {
        Self::new(C::default())
    }
}

impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
    const IDEMPOTENT: bool = C::IDEMPOTENT;

    fn metadata(&mut self) -> Option<&mut dyn Metadata> {
        Some(self)
    }
}

impl<C> Metadata for Traced<C> {
    fn set(&mut self, name: &str, value: &str) {
        self.carrier.get_or_insert_default().set(name, value);
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.carrier.as_ref()?.get(name)
    }

    fn names(&self) -> Vec<&str> {
        self.carrier.iter().flat_map(Carrier::iter).map(|(name, _)| name).collect()
    }

    fn is_empty(&self) -> bool {
        self.carrier.as_ref().is_none_or(Carrier::is_empty)
    }
}

impl<R: Sync, C: Execute<R>> Execute<R> for Traced<C> {
    const SCHEDULING: Scheduling = C::SCHEDULING;

    fn execute(
        self,
        receiver: &R,
        proxy: Proxy<'_, C::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send {
        self.command.execute(receiver, proxy)
    }
}
