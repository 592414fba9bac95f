//! Go's JSON for kinds of values that the sample service lacks: unsigned and short numbers, nil and empty slices, maps,
//! pointers, and structs within structs. In both directions.

use std::collections::BTreeMap;

use cmd_stream::format::json::null_as_default;
use cmd_stream::{Answer, Client, Context, Failed, Json, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::within;

use crate::support::{go_client, go_server};

struct Service;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Values {
    uint64: u64,
    uint8: u8,
    int8: i8,
    float32: f32,
    float64: f64,
    /// Go's nil is `null`, and comes back empty.
    #[serde(deserialize_with = "null_as_default")]
    words: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    counts: BTreeMap<String, i64>,
    pointer: Option<i64>,
    inner: Inner,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Inner {
    /// Go leaves it out when it is empty.
    #[serde(default)]
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Back(Values);

impl Answer<Service> for Values {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Back, Failed> {
        Ok(Back(self))
    }
}

protocol! {
    struct ValuesService {
        commands { 0 => Values -> Back }
        replies { 0 => Back }
        failure close_connection
    }
}

#[tokio::test]
async fn values_of_a_go_client_come_back_equal() {
    let server = Server::bind("127.0.0.1:0", ValuesService, Json, Service).await.expect("a free port");
    let address = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    go_client("values", &address, &[]).expect_success(&["ok"]).await;
}

#[tokio::test]
async fn values_sent_to_a_go_server_come_back_equal() {
    let (_server, address) = go_server("values", &[]).await;
    let client = Client::connect(&address, ValuesService, Json).await.expect("a server listens there");
    for values in edges().into_iter().chain(floats()) {
        let Back(back) = within(client.send(values.clone())).await.expect("it is answered");
        assert_eq!(back, values);
        assert_eq!(back.float32.to_bits(), values.float32.to_bits());
        assert_eq!(back.float64.to_bits(), values.float64.to_bits());
    }
}

fn edges() -> Vec<Values> {
    let none = Values::default;
    let words = ["", "语", "\0\u{2028}<>&"].map(String::from).to_vec();
    let counts = [(String::new(), -1), ("ключ".to_owned(), i64::MIN)].into();
    vec![
        none(),
        Values { uint64: u64::MAX, uint8: u8::MAX, int8: i8::MIN, pointer: Some(i64::MIN), ..none() },
        Values { uint64: i64::MAX as u64, int8: i8::MAX, pointer: Some(0), ..none() },
        Values { uint64: i64::MAX as u64 + 1, ..none() },
        Values { uint64: (1 << 53) + 1, ..none() },
        Values { words, counts, inner: Inner { name: "a name".into() }, ..none() },
        Values { float32: -0.0, float64: -0.0, ..none() },
        Values { float32: f32::MAX, float64: f64::MAX, ..none() },
        Values { float32: f32::MIN_POSITIVE, float64: f64::MIN_POSITIVE, ..none() },
        Values { float32: f32::from_bits(1), float64: f64::from_bits(1), ..none() },
        Values { float32: 0.1, float64: 0.1, ..none() },
        Values { float32: 16_777_216.0, float64: 1e21, ..none() },
    ]
}

/// Floats of all exponents.
fn floats() -> impl Iterator<Item = Values> {
    (1..=1000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).map(|bits| {
        let (float32, float64) = (f32::from_bits((bits >> 32) as u32), f64::from_bits(bits));
        Values {
            float32: if float32.is_finite() { float32 } else { 0.0 },
            float64: if float64.is_finite() { float64 } else { 0.0 },
            ..Values::default()
        }
    })
}
