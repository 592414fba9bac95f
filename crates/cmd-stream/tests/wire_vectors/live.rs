//! Vectors of Commands that cannot be encoded, called on a client that is connected.

use std::fmt::Debug;

use cmd_stream::format::Encode;
use cmd_stream::protocol::kind::HasReply;
use cmd_stream::protocol::{ClientProtocol, CommandOf};
use cmd_stream::{Client, Error, ErrorKind, Origin};
use serde_json::{Value, json};
use testkit::ends::client_and_bytes;
use testkit::wait::within;

use super::bodies::json::Codec;
use super::bodies::{Body as _, with_codec};
use super::frames::{Direction, Frames, Vector};
use super::{COMPILE_ERRORS, ensure, frame_files};

/// The two ways to call a Command that has a Reply.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Send,
    Stream,
}

pub(super) async fn call<P, F, T>(client: &Client<P, F>, command: T, how: How) -> Result<(), Error>
where
    P: ClientProtocol<F, Failure: Debug>,
    T: CommandOf<P, Kind: HasReply>,
    F: Encode<T>,
{
    match how {
        How::Send => drop(client.send(command).await?),
        How::Stream => drop(client.stream(command).await?.next().await.expect("a stream has a reply")?),
    }
    Ok(())
}

/// Calls the vector's Command, which fails, and then another one, whose bytes must be all that the server receives.
async fn fails_alone<C: Frames>(codec: &str, vector: &Value) -> Result<(), String> {
    let vector = Vector::of(vector)?;
    let builder = Client::builder(C::Protocol::default(), vector.format::<C>());
    let (client, mut peer) = client_and_bytes(builder, 1 << 16).await;
    for how in [How::Send, How::Stream] {
        let command = vector.body::<C>()?.ok_or("a ping")?;
        let Err(error) = within(C::call(&client, command, how)).await else {
            return Err(format!("{how:?}: the call has a reply"));
        };
        let what = (error.kind(), error.origin(), error.was_sent());
        ensure!(what == (ErrorKind::Encode, Origin::Local, false), "{how:?}: {what:?}: {error:#}");
        ensure!(client.in_flight() == 0, "{how:?}: {} calls are in flight", client.in_flight());
    }

    let (command, reply) = good_bodies::<C>(codec);
    let server = async {
        peer.expect(&first_frame::<C>(command.clone())).await;
        peer.send(&first_frame::<C>(reply)).await;
    };
    let (answered, ()) =
        within(async { tokio::join!(C::call(&client, command.clone(), How::Send), server) }).await;
    answered.map_err(|error| format!("the next call: {error:#}"))
}

/// A Command that can be encoded, and a Reply to it.
fn good_bodies<C: Frames>(codec: &str) -> (C::Body, C::Body) {
    let echo = json!({ "Bool": true, "Int64": 1, "String": "a", "Float64": 0.5 });
    let [(command, value), (reply, answer)] = match codec {
        "protobuf" => [("Cmd1", json!({ "X": "1" })), ("Result1", json!({ "X": "1" }))],
        _ => [("EchoCmd", echo.clone()), ("EchoResult", echo)],
    };
    let body = |name, value| C::Body::of_vector(name, value).expect("a type of the sample service");
    (body(command, &value), body(reply, &answer))
}

/// The frame with seq 1. A Command that was refused must not have used it.
fn first_frame<C: Frames>(body: C::Body) -> Vec<u8> {
    let mut frame = vec![1];
    C::encode(&C::FORMAT, body, &mut frame).expect("it can be encoded");
    frame
}

fn is_refused_command(vector: &Value) -> bool {
    let vector = Vector::of(vector).expect("a vector of a frame");
    vector.kind == "encode_error"
        && vector.direction == Direction::ClientToServer
        && !COMPILE_ERRORS.contains(&&*vector.name)
}

#[tokio::test(start_paused = true)]
async fn a_command_that_its_format_cannot_encode_sends_nothing_and_leaves_its_client_usable() {
    let mut checked = 0;
    for (codec, file) in frame_files() {
        for vector in file.vectors.iter().filter(|vector| is_refused_command(vector)) {
            let result = with_codec!(&*codec, C => fails_alone::<C>(&codec, vector).await);
            assert_eq!(result, Ok(()), "{}, {}", file.name, vector["name"]);
            checked += 1;
        }
    }
    assert!(checked > 0, "no vector of a command that cannot be encoded");
}

#[tokio::test(start_paused = true)]
async fn a_number_that_json_does_not_have_fails_its_call_alone() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let bits = format!("{:016x}", number.to_bits());
        let vector = json!({
            "name": number.to_string(), "direction": "client_to_server", "kind": "encode_error", "seq": "1",
            "type": "EchoCmd", "hex": "",
            "value": { "Bool": false, "Int64": 0, "String": "", "Float64": { "bits": bits } },
        });
        assert_eq!(fails_alone::<Codec>("json", &vector).await, Ok(()), "{number}");
    }
}
