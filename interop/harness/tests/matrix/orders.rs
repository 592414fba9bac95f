//! Protobuf as people have it, in both directions: the messages of the example `orders`, with `oneof`, maps, enums, optional fields,
//! well-known types, and types from elsewhere. Both ends have them from the same `.proto` files.

use cmd_stream::{Answer, Client, Context, Failed, Protobuf, Server, protocol};
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};
use prost_types::value::Kind;
use prost_types::{Duration, ListValue, Struct, Timestamp, Value};
use testkit::wait::within;

use self::messages::place::Payment;
use self::messages::{Card, Line, Place, Placed, Priority};
use crate::shared::Money;
use crate::support::{go_client, go_server};

#[allow(dead_code, unnameable_types, unreachable_pub, reason = "generated, with all that is in the file")]
mod messages {
    include!("../../../../examples/protobuf_orders/orders.rs");
}

/// A message of another crate as a Command or Reply of this one, with the same bytes.
macro_rules! around {
    ($($name:ident($message:ty);)+) => { $(
        #[derive(Clone, PartialEq, Debug, Default)]
        struct $name($message);

        impl Message for $name {
            fn encode_raw(&self, out: &mut impl BufMut) {
                self.0.encode_raw(out);
            }
            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: WireType,
                bytes: &mut impl Buf,
                context: DecodeContext,
            ) -> Result<(), prost::DecodeError> {
                self.0.merge_field(tag, wire_type, bytes, context)
            }
            fn encoded_len(&self) -> usize {
                self.0.encoded_len()
            }
            fn clear(&mut self) {
                self.0.clear();
            }
        }
    )+ };
}

around! {
    Wait(Duration);
    Waited(Duration);
}

struct Shop;

protocol! {
    struct Orders {
        commands { 0 => Place -> Placed, 1 => Wait -> Waited }
        replies { 0 => Placed, 1 => Waited }
        failure close_connection
    }
}

impl Answer<Shop> for Place {
    async fn answer(self, _: &Shop, _: &Context<'_>) -> Result<Placed, Failed> {
        Ok(Placed { order: Some(self) })
    }
}

impl Answer<Shop> for Wait {
    async fn answer(self, _: &Shop, _: &Context<'_>) -> Result<Waited, Failed> {
        Ok(Waited(self.0))
    }
}

#[tokio::test]
async fn orders_of_a_go_client_come_back_equal() {
    let server = Server::bind("127.0.0.1:0", Orders, Protobuf, Shop).await.expect("a free port");
    let address = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    go_client("orders", &address, &[]).expect_success(&["ok"]).await;
}

#[tokio::test]
async fn orders_sent_to_a_go_server_come_back_equal() {
    let (_server, address) = go_server("orders", &[]).await;
    let client = Client::connect(&address, Orders, Protobuf).await.expect("a server listens there");
    for order in edges() {
        let Placed { order: back } = within(client.send(order.clone())).await.expect("it is answered");
        let back = back.expect("the order comes back");
        assert_eq!(back, order);
        assert_eq!(back.tip.map(f64::to_bits), order.tip.map(f64::to_bits));
    }
    for (seconds, nanos) in [(0, 0), (2, 5), (-1, -999_999_999)] {
        let wait = Wait(Duration { seconds, nanos });
        let Waited(back) = within(client.send(wait.clone())).await.expect("it is answered");
        assert_eq!(back, wait.0);
    }
}

#[tokio::test]
async fn a_negative_zero_reaches_go_in_an_optional_field_alone() {
    let (_server, address) = go_server("orders", &[]).await;
    let client = Client::connect(&address, Orders, Protobuf).await.expect("a server listens there");
    let order = Place { tip: Some(-0.0), weight: -0.0, ..Place::default() };
    let Placed { order: back } = within(client.send(order)).await.expect("it is answered");
    let back = back.expect("the order comes back");
    assert_eq!(back.tip.map(f64::to_bits), Some((-0.0_f64).to_bits()));
    assert_eq!(back.weight.to_bits(), 0.0_f64.to_bits());
}

fn edges() -> Vec<Place> {
    let none = Place::default;
    let paid = |payment| Place { payment: Some(payment), ..none() };
    let value = |kind| Value { kind: Some(kind) };
    let list = ListValue { values: vec![value(Kind::BoolValue(true)), value(Kind::NumberValue(-1.5))] };
    let line = |text: &str, codes: &[u32]| Line { text: text.to_owned(), codes: codes.to_vec() };
    vec![
        none(),
        paid(Payment::Card(Card::default())),
        paid(Payment::Card(Card { number: "4111".to_owned() })),
        paid(Payment::Cash(Money { currency: String::new(), cents: i64::MIN })),
        paid(Payment::Voucher(String::new())),
        paid(Payment::Voucher("语".to_owned())),
        Place { total: Some(Money::default()), ..none() },
        Place { quantities: [(String::new(), 0), ("语".to_owned(), u32::MAX)].into(), ..none() },
        Place { lines: [(i64::MIN, line("", &[])), (-1, line("a", &[0, u32::MAX]))].into(), ..none() },
        Place { priority: Priority::High.into(), history: vec![0, 1, 2, 7, -1, i32::MIN], ..none() },
        Place { priority: i32::MAX, ..none() },
        Place { discount: Some(0), tip: Some(0.0), ..none() },
        Place { discount: Some(i64::MIN), tip: Some(-0.0), weight: f64::MIN_POSITIVE, ..none() },
        Place { signature: vec![0, 0xff, 0x80], ..none() },
        Place { placed_at: Some(Timestamp { seconds: -62_135_596_800, nanos: 999_999_999 }), ..none() },
        Place { placed_at: Some(Timestamp::default()), patience: Some(Duration::default()), ..none() },
        Place { note: Some(String::new()), ..none() },
        Place {
            note: Some("a note".to_owned()),
            extra: Some(Struct {
                fields: [
                    ("null".to_owned(), value(Kind::NullValue(0))),
                    ("list".to_owned(), value(Kind::ListValue(list))),
                    ("struct".to_owned(), value(Kind::StructValue(Struct::default()))),
                ]
                .into(),
            }),
            ..none()
        },
    ]
}
