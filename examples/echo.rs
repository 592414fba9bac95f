//! An echo with a Format of its own, sent through a [`Client`] directly.
//!
//! ```text
//! cargo run --example echo
//! ```
//!
//! A Format decides how the tag and the body of a Command or Reply are written. This service has one Command and one
//! Reply, so a tag would say nothing: its Format leaves it out, and a value is only the length of a string and its bytes.
//! `Echo("hello")`, the first Command of a connection, is these bytes, and so is its Reply:
//!
//! ```text
//! 01 05 68 65 6c 6c 6f
//! │  │  └ hello
//! │  └ the length, a varint
//! └ seq, which the library writes: the number of the Command, which its Reply repeats
//! ```
//!
//! `cargo run --example echo -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only the
//! client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::{Decoded, Fault, Tag, varint};
use cmd_stream::{Answer, Client, Context, Error, Failed, Server, protocol};
use examples::BoxError;

// The service: there is nothing to keep, so the Receiver is empty.

struct Service;

struct Echo(String);

struct Echoed(String);

impl Answer<Service> for Echo {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Echoed, Failed> {
        Ok(Echoed(self.0))
    }
}

protocol! {
    /// One Command and one Reply. Their tags are not sent: see `Text`. Without tags there can be no second Reply, hence no
    /// failure: a Command that fails closes its connection, as it does with the Go library.
    struct EchoService {
        commands { 0 => Echo -> Echoed }
        replies { 0 => Echoed }
        failure close_connection
    }
}

/// The Format: a string with its length before it, and no tag.
struct Text;

impl Format for Text {
    const NAME: &str = "text"; // for messages
    type Progress = (); // of a string that has arrived in part there is nothing to remember: its length is known

    fn encode_tag(&self, _: Tag, _: &mut Vec<u8>) {}

    fn decode_tag(&self, _: &[u8]) -> Decoded<Tag> {
        Decoded::Value(Tag::new(0), 0) // it took 0 bytes
    }
}

impl Text {
    fn write(text: &str, out: &mut Vec<u8>) {
        varint::encode(text.len() as u64, out);
        out.extend_from_slice(text.as_bytes());
    }

    /// Reads from the bytes that have arrived. They may end inside the string, or go on behind it.
    fn read(bytes: &[u8]) -> Decoded<String> {
        let (length, start) = match varint::decode_length(bytes) {
            Decoded::Value(length, start) => (length, start),
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        // A huge length needs no care: the library refuses what is over its limit, and allocates nothing for it.
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        match bytes.get(start..end) {
            None => Decoded::incomplete(end - bytes.len()),
            Some(text) => match String::from_utf8(text.to_vec()) {
                Ok(text) => Decoded::Value(text, end),
                Err(error) => Decoded::invalid(Fault::Body(error.into()), end),
            },
        }
    }
}

// Which types the Format can write and read. The server reads Commands and writes Replies; the client does the reverse.

impl Encode<Echo> for Text {
    fn encode(&self, echo: &Echo, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Self::write(&echo.0, out);
        Ok(())
    }
}

impl Decode<Echo> for Text {
    fn decode(&self, bytes: &[u8], (): &mut ()) -> Decoded<Echo> {
        Self::read(bytes).map(Echo)
    }
}

impl Encode<Echoed> for Text {
    fn encode(&self, echoed: &Echoed, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Self::write(&echoed.0, out);
        Ok(())
    }
}

impl Decode<Echoed> for Text {
    fn decode(&self, bytes: &[u8], (): &mut ()) -> Decoded<Echoed> {
        Self::read(bytes).map(Echoed)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<EchoService, Text, Service>, Error> {
    Server::bind(address, EchoService, Text, Service).await
}

/// A Client is one connection. An application that may need several of them one day holds a `Sender`, as the other
/// examples do; what is sent is the same.
async fn client(address: String) -> Result<(), BoxError> {
    let client = examples::connect(|| Client::connect(&address, EchoService, Text)).await?;

    let Echoed(text) = client.send(Echo("one two three".into())).await?;
    println!("Result: {text}");
    Ok(())
}
