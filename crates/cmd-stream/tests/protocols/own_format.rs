//! A user-defined Format: strings with their length before them, without tags.

use crate::{CALC, Calc};
use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::{Decoded, Fault, Tag, varint};
use cmd_stream::{Answer, Client, Context, Error, ErrorKind, Failed, Server, protocol};
use testkit::ends::{both, server_and_bytes};
use testkit::wait::within;

#[derive(Clone, Copy, Debug)]
struct Text;

impl Format for Text {
    const NAME: &str = "text";
    type Progress = ();

    fn encode_tag(&self, _: Tag, _: &mut Vec<u8>) {}
    fn decode_tag(&self, _: &[u8]) -> Decoded<Tag> {
        Decoded::Value(Tag::new(0), 0)
    }
}

impl<T: AsRef<str>> Encode<T> for Text {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        varint::encode(value.as_ref().len() as u64, out);
        out.extend_from_slice(value.as_ref().as_bytes());
        Ok(())
    }
}

impl<T: From<String>> Decode<T> for Text {
    fn decode(&self, bytes: &[u8], _: &mut ()) -> Decoded<T> {
        let (length, start) = match varint::decode_length(bytes) {
            Decoded::Value(length, start) => (length, start),
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        match bytes.get(start..end) {
            None => Decoded::incomplete(end - bytes.len()),
            Some(text) => match String::from_utf8(text.to_vec()) {
                Ok(text) => Decoded::Value(text.into(), end),
                Err(error) => Decoded::invalid(Fault::Body(error.into()), end),
            },
        }
    }
}

macro_rules! text {
    ($($name:ident),*) => { $(
        #[derive(PartialEq, Debug)]
        struct $name(String);

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )* };
}
text!(Say, Said);

impl Answer<Calc> for Say {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Said, Failed> {
        Ok(Said(self.0))
    }
}

protocol! {
    struct Echo { commands { 0 => Say -> Said } replies { 0 => Said } failure close_connection }
}

#[tokio::test(start_paused = true)]
async fn a_service_runs_over_a_user_defined_format() {
    let (client, server) = both(Server::builder(Echo, Text, CALC), Client::builder(Echo, Text)).await;
    for text in [String::new(), "hello".into(), "ü".repeat(70_000)] {
        assert_eq!(client.send(Say(text.clone())).await.expect("a reply"), Said(text));
    }
    let over = "x".repeat(5 << 20);
    let error = Error::from(client.send(Say(over)).await.expect_err("over the limit"));
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(client.send(Say("more".into())).await.expect("it goes on"), Said("more".into()));
    assert_eq!(server.counters().started, 4);
}

#[tokio::test(start_paused = true)]
async fn a_format_without_tags_puts_none_on_the_wire() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Echo, Text, CALC)).await;
    peer.send_bytewise(b"\x01\x05hello").await;
    peer.expect(b"\x01\x05hello").await;
    peer.send(b"\x02\x00\x03\x01x").await;
    let mut replies = [peer.receive(2).await, peer.receive(3).await].concat();
    if replies[0] == 3 {
        replies.rotate_left(3); // each Command has a task of its own
    }
    assert_eq!(replies, b"\x02\x00\x03\x01x");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_a_user_defined_format_refuses_close_the_connection() {
    for (bytes, kind) in [
        (&b"\x01\x02\xff\xff"[..], ErrorKind::Decode), // no UTF-8
        (b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ErrorKind::Decode), // a length below zero
        (b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", ErrorKind::Limit), // one that no memory holds
        (b"\x01\x81\x80\x80\x02", ErrorKind::Limit),   // one byte over 4 MiB
    ] {
        let (reason, mut reasons) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::builder(Echo, Text, CALC)
            .on_connection_lost(move |lost| reason.send(lost.reason.kind()).expect("the test reads"));
        let (_server, mut peer) = server_and_bytes(server).await;
        peer.send(bytes).await;
        peer.expect_end().await;
        assert_eq!(within(reasons.recv()).await, Some(kind), "{bytes:x?}");
    }
}
