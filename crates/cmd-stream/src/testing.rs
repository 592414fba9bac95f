//! Fakes for the tests of an application: an in-memory server that answers by a function.
//!
//! What to use:
//!
//! | to test | use |
//! | --- | --- |
//! | code that sends one or two types of Commands | a fake [`SendCommand`](crate::sender::SendCommand) |
//! | code that talks to a whole service | a [`Script`], here |
//! | Commands on their Receiver, Invokers, limits | a real [`Server`](crate::Server) over [`transport::memory`](crate::transport::memory) |
//!
//! A script encodes, frames and decodes as over a network, so that values that the Format cannot write are found.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::client::Limits;
use crate::connection::{Inbox, write_all};
use crate::error::{Error, ErrorKind, Origin};
use crate::format::Format;
use crate::proto::decode::Decoded;
use crate::proto::frame::{Frame, FrameReader, Seq};
use crate::proto::handshake::ServerInfo;
use crate::protocol::{Protocol, ServedIn};
use crate::sync::{Arc, Mutex, PoisonError};
use crate::transport::Io;
use crate::transport::memory::{self, Connector, Listener};

/// A fake of a whole service: a function from its Commands to its Replies.
///
/// ```
/// use cmd_stream::testing::Script;
/// use cmd_stream::{CallError, Client, Json, Problem, protocol};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Div { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Number(i64);
/// protocol! {
///     struct Calculator {
///         commands { 0 => Add -> Number, 1 => Div -> Number }
///         replies { 0 => Number, 1 => Problem }
///         failure Problem
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Script::new(Calculator, Json, |command| match command {
///     CalculatorCommand::Add(Add { a, b }) => [CalculatorReply::Number(Number(a + b))],
///     CalculatorCommand::Div(_) => [CalculatorReply::Problem(Problem::new(1000, "not today"))],
/// });
/// let client = Client::builder(Calculator, Json).connect_by(service.start()).await?;
///
/// assert_eq!(client.send(Add { a: 2, b: 3 }).await?.0, 5);
/// assert!(matches!(client.send(Div { a: 1, b: 1 }).await, Err(CallError::Failed(problem)) if problem.code == 1000));
/// # Ok(()) }
/// ```
///
/// The function may return any number of Replies: several for a stream, or none for a one-way Command or a call that
/// should wait forever. If its branches return different numbers, they return a `Vec`. It may keep state. If it panics,
/// the connection is closed.
pub struct Script<P, F, A> {
    protocol: PhantomData<fn() -> P>,
    format: F,
    info: ServerInfo,
    answer: A,
}

impl<P, F, A, Replies> Script<P, F, A>
where
    P: ServedIn<F>,
    F: Format,
    A: FnMut(P::CommandRef<'_>) -> Replies + Send + 'static,
    Replies: IntoIterator<Item = P::Reply> + 'static,
{
    /// Creates a service that answers each Command with what the function returns.
    pub fn new(protocol: P, format: F, answer: A) -> Self {
        let _ = protocol; // only its type matters
        Self { protocol: PhantomData, format, info: ServerInfo::default(), answer }
    }

    /// Sets the ServerInfo it greets with. The default is [`ServerInfo::default`].
    #[must_use]
    pub fn server_info(self, info: ServerInfo) -> Self {
        Self { info, ..self }
    }

    /// Serves in a task of its own, and returns the connector for clients, to be used with
    /// [`connect_by`](crate::client::Builder::connect_by). The task ends when the last client and the last clone of the
    /// connector are gone.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn start(self) -> Connector {
        let Self { format, info, answer, .. } = self;
        let (connector, listener) = memory::pair();
        let stage = Arc::new(Stage { format, info, answer: Mutex::new(answer) });
        tokio::spawn(serve::<P, F, A, Replies>(stage, listener));
        connector
    }
}

/// The state shared by the connections of a script.
struct Stage<F, A> {
    format: F,
    info: ServerInfo,
    answer: Mutex<A>,
}

async fn serve<P, F, A, Replies>(stage: Arc<Stage<F, A>>, mut listener: Listener)
where
    P: ServedIn<F>,
    F: Format,
    A: FnMut(P::CommandRef<'_>) -> Replies + Send + 'static,
    Replies: IntoIterator<Item = P::Reply> + 'static,
{
    while let Some((mut io, _)) = listener.next().await {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move {
            let ended = play::<P, F, A, Replies>(&stage, &mut io).await;
            tracing::debug!(protocol = P::NAME, ended = ?ended.err(), "connection to a script ended");
        });
    }
}

/// Serves one connection.
async fn play<P, F, A, Replies>(stage: &Stage<F, A>, io: &mut impl Io) -> Result<(), Error>
where
    P: ServedIn<F>,
    F: Format,
    A: FnMut(P::CommandRef<'_>) -> Replies,
    Replies: IntoIterator<Item = P::Reply>,
{
    let mut output = Vec::new();
    stage.info.encode(&mut output);
    let mut inbox = Inbox::default();
    let mut reader = FrameReader::new(Limits::default().frame).positions(F::position);
    loop {
        write_all(io, &std::mem::take(&mut output)).await?;
        let read = poll_fn(|cx| inbox.poll_read(io, 1, cx)).await;
        if read.map_err(|error| Error::io("reading failed", error))? == 0 {
            return Ok(());
        }
        // All Commands of a read are answered in one write, as a server does.
        while !inbox.is_empty() {
            let frame = reader.read(
                inbox.bytes(),
                |bytes| stage.format.decode_tag(bytes),
                |head, body, progress| {
                    P::read_command(&stage.format, head.tag, body, progress, |command| {
                        let answer = &mut *stage.answer.lock().unwrap_or_else(PoisonError::into_inner);
                        act::<P, F, _>(&stage.format, head.seq, &mut output, || answer(command))
                    })
                },
            );
            let taken = match frame {
                Decoded::Value(Frame::Body(_, Ok(())), taken) => taken,
                Decoded::Value(Frame::Body(_, Err(error)), _) => {
                    write_all(io, &output).await?; // what was answered before the error
                    return Err(error);
                }
                Decoded::Value(Frame::Ping, taken) => {
                    Seq::PING.encode(&mut output);
                    taken
                }
                Decoded::Incomplete(_) => break,
                Decoded::Invalid(error) => return Err(Error::decode("command", error)),
            };
            inbox.consume(taken);
        }
    }
}

/// Appends the Replies of the function to one Command.
fn act<P, F, Replies>(
    format: &F,
    seq: Seq,
    output: &mut Vec<u8>,
    answer: impl FnOnce() -> Replies,
) -> Result<(), Error>
where
    P: ServedIn<F>,
    F: Format,
    Replies: IntoIterator<Item = P::Reply>,
{
    let write = AssertUnwindSafe(|| {
        for reply in answer() {
            seq.encode(output);
            P::encode_reply(format, &reply, output).map_err(|error| {
                Error::with_source(ErrorKind::Encode, Origin::Local, "the reply cannot be encoded", error)
            })?;
        }
        Ok(())
    });
    catch_unwind(write).unwrap_or_else(|payload| Err(Error::panic("the script", payload)))
}

impl<P: Protocol, F: Format, A> std::fmt::Debug for Script<P, F, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script")
            .field("protocol", &P::NAME)
            .field("format", &F::NAME)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
