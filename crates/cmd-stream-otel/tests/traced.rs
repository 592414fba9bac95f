//! The bytes of `Traced`: those of Go's `TraceCmd` in MUS and JSON, and its own message in Protobuf.

use std::collections::BTreeMap;

use cmd_stream::Command;
use cmd_stream::protocol::Metadata;
use cmd_stream_otel::Traced;
use prost::Message;
use testkit::sample::{EchoCmd, TraceCmd};

fn echo() -> EchoCmd {
    EchoCmd { bool: true, int64: -3, string: "text".into(), float64: 0.5 }
}

/// Has the length of most, which are kept in a place of their own.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// With nothing in it, and with values. The sample's type is held to Go's vectors.
fn pairs() -> impl Iterator<Item = (Traced<EchoCmd>, TraceCmd<EchoCmd>)> {
    carriers().into_iter().map(|carrier| {
        let mut traced = Traced::new(echo());
        for (name, value) in &carrier {
            traced.metadata().expect("it has some").set(name, value);
        }
        (traced, TraceCmd { map_carrier: Some(carrier), cmd: echo() })
    })
}

fn carriers() -> [BTreeMap<String, String>; 5] {
    let values: [&[(&str, &str)]; 5] = [
        &[],
        &[("traceparent", "00-01-02-01"), ("baggage", "a=b")],
        &[("traceparent", TRACEPARENT)],
        &[("tracestate", "a=b"), ("traceparent", TRACEPARENT), ("baggage", "a=b"), ("", "")],
        &[("k", "")],
    ];
    values.map(|values| values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

#[test]
fn in_mus_and_json_it_is_go_s_trace_cmd() {
    for (ours, theirs) in pairs() {
        let bytes = mus_format::to_vec(&ours).expect("it can be encoded");
        assert_eq!(bytes, mus_format::to_vec(&theirs).expect("it can be encoded"));
        assert_eq!(mus_format::from_slice::<Traced<EchoCmd>>(&bytes).expect("it can be decoded"), ours);
        let json = serde_json::to_string(&ours).expect("it can be encoded");
        assert_eq!(json, serde_json::to_string(&theirs).expect("it can be encoded"));
        assert_eq!(serde_json::from_str::<Traced<EchoCmd>>(&json).expect("it can be decoded"), ours);
    }
}

#[test]
fn a_nil_carrier_of_go_s_is_none_and_can_be_written_to() {
    let inner = mus_format::to_vec(&echo()).expect("it can be encoded");
    let bytes = [&[1][..], &inner].concat();
    let json = format!(
        r#"{{"MapCarrier":null,"Cmd":{}}}"#,
        serde_json::to_string(&echo()).expect("it can be encoded")
    );
    for mut traced in [
        mus_format::from_slice::<Traced<EchoCmd>>(&bytes).expect("it can be decoded"),
        serde_json::from_str(&json).expect("it can be decoded"),
    ] {
        assert!(traced.carrier().is_none());
        assert_eq!(traced.command(), &echo());
        let metadata = traced.metadata().expect("it has some");
        assert_eq!((metadata.get("a"), metadata.names()), (None, Vec::new()));
        metadata.set("a", "b");
        assert_eq!((metadata.get("a"), metadata.names()), (Some("b"), vec!["a"]));
    }
}

#[derive(Clone, PartialEq, Message)]
struct Add {
    #[prost(int64, tag = "1")]
    a: i64,
}

/// What the documentation says of the message.
#[derive(Clone, PartialEq, Message)]
struct TracedAdd {
    #[prost(btree_map = "string, string", tag = "1")]
    carrier: BTreeMap<String, String>,
    #[prost(message, optional, tag = "2")]
    command: Option<Add>,
}

#[test]
fn in_protobuf_it_is_the_message_of_the_documentation() {
    for carrier in carriers() {
        let mut ours = Traced::new(Add { a: 7 });
        for (name, value) in &carrier {
            Metadata::set(&mut ours, name, value);
        }
        let theirs = TracedAdd { carrier, command: Some(Add { a: 7 }) };
        assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
        assert_eq!(ours.encoded_len(), theirs.encoded_len());
        assert_eq!(Traced::<Add>::decode(&*theirs.encode_to_vec()).expect("it can be decoded"), ours);
    }
    assert_eq!(Traced::<Add>::decode(&[][..]).expect("it can be decoded"), Traced::default());
    Traced::<Add>::decode(&[0x08, 1][..]).expect_err("a number in place of the map");
}
