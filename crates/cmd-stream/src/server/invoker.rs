//! The one place through which every Command passes before it runs.

use std::future::Future;
use std::time::Instant;

use super::extensions::Extensions;
use super::failed::Failed;
use crate::connection::peer::Peer;
use crate::proto::frame::Seq;
use crate::protocol::{Entry, Protocol};

/// Through which every Command of a server passes: to log, authorise, trace or measure it. Pings do not.
///
/// It runs the Command by [`Call::run`], or refuses it by returning an error. Its panics are contained like those of a
/// Command.
///
/// ```
/// use cmd_stream::{Call, Failed, Invoker, Protocol};
///
/// /// Refuses Commands over a size, and says how long the others took.
/// struct Audit;
///
/// impl<P: Protocol> Invoker<P> for Audit {
///     async fn invoke(&self, call: impl Call<P>) -> Result<(), Failed> {
///         if call.size() > 1000 {
///             return Err(Failed::new("too large"));
///         }
///         let (name, started) = (call.entry().name, call.received_at());
///         let result = call.run().await;
///         println!("{name}: {result:?} after {:?}", started.elapsed());
///         result
///     }
/// }
/// ```
///
/// One that is written for a certain Protocol can look into its Commands: `call.command()` is the enum that
/// [`protocol!`](crate::protocol!) made, `CalculatorCommand::Add(&Add)`.
pub trait Invoker<P: Protocol>: Send + Sync + 'static {
    /// Does what is to be done around one Command.
    ///
    /// # Errors
    ///
    /// Those of the Command, or one of its own: an error fails the Command.
    fn invoke(&self, call: impl Call<P>) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// A Command that has arrived and has not run yet.
pub trait Call<P: Protocol>: Send {
    /// The Command.
    fn command(&self) -> P::CommandRef<'_>;
    /// Its name and tag.
    fn entry(&self) -> &'static Entry;
    /// Its number on its connection.
    fn seq(&self) -> Seq;
    /// Who sent it.
    fn peer(&self) -> &Peer;
    /// When the bytes that completed it were read.
    fn received_at(&self) -> Instant;
    /// How many bytes it took on the wire, seq and tag included.
    fn size(&self) -> usize;
    /// Values for the Command, which finds them at [`Proxy::extensions`](crate::Proxy::extensions).
    fn extensions(&mut self) -> &mut Extensions;
    /// Runs the Command on the Receiver.
    fn run(self) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// The Invoker of a server that was given none: it runs every Command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plain;

impl<P: Protocol> Invoker<P> for Plain {
    fn invoke(&self, call: impl Call<P>) -> impl Future<Output = Result<(), Failed>> + Send {
        call.run()
    }
}
