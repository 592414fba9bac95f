//! `cmd_stream::mus`, which is all that a program needs of MUS: nothing here names the crate behind it.

use cmd_stream::mus::encoding::Raw;
use cmd_stream::mus::{Decoded, Fault, Mus, decode, description, from_slice, to_vec};
use cmd_stream::{Answer, Context, Failed, Mus, Sender, Server, protocol};

#[derive(Mus, Clone, Debug, PartialEq)]
#[mus(dtm = 3, validate = Self::check)]
struct Order<'a, T> {
    #[mus(raw)]
    id: u32,
    #[mus(max_len = 2, elem(with = Raw, validate = small))]
    counts: Vec<u16>,
    name: &'a str,
    more: T,
    kind: Kind,
    #[mus(skip)]
    cached: bool,
}

#[derive(Mus, Clone, Debug, PartialEq)]
enum Kind {
    Plain,
    #[mus(dtm = 7)]
    Gift {
        to: String,
    },
}

impl<T> Order<'_, T> {
    fn check(&self) -> Result<(), &'static str> {
        if self.id == 0 { Err("no id") } else { Ok(()) }
    }
}

fn small(count: &u16) -> Result<(), &'static str> {
    if *count < 1000 { Ok(()) } else { Err("too many") }
}

#[test]
fn derived_types_are_encoded_decoded_checked_and_described() {
    let order = Order {
        id: 7,
        counts: vec![1],
        name: "x",
        more: -1_i8,
        kind: Kind::Gift { to: "y".to_owned() },
        cached: false,
    };
    let bytes = to_vec(&order).unwrap();
    assert_eq!(bytes, [3, 7, 0, 0, 0, 1, 1, 0, 1, b'x', 0xff, 7, 1, b'y']);
    assert_eq!(from_slice::<Order<'_, i8>>(&bytes).unwrap(), order);
    assert!(matches!(decode::<Order<'_, i8>>(&bytes[..9]), Decoded::Incomplete(_)));
    assert_eq!(
        description::<Order<'static, i8>>(),
        "#0 = tag 3 {id: u32 raw, counts: [u16 raw], name: string, more: i8 raw, kind: #1}\n\
         #1 = <1 Plain () | 7 Gift {to: string}>"
    );

    let refused = from_slice::<Order<'_, i8>>(&[3, 7, 0, 0, 0, 1, 0xe8, 3]).unwrap_err();
    assert!(matches!(refused.fault, Fault::Validation(_)), "{refused}");
    assert_eq!(refused.at, 8);
    let refused = from_slice::<Order<'_, ()>>(&[3, 0, 0, 0, 0, 0, 0, 1]).unwrap_err();
    assert!(matches!(refused.fault, Fault::Validation(_)), "{refused}");
}

#[derive(Mus)]
struct Add(i64, i64);
#[derive(Mus)]
struct Sum(i64);

struct Calc;
impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.0 + self.1))
    }
}
protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

#[tokio::test]
async fn a_derived_command_is_answered() {
    let server = Server::bind("127.0.0.1:0", Calculator, Mus, Calc).await.unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let sender = Sender::connect(handle.local_addr(), Calculator, Mus).await.unwrap();
    let Sum(five) = sender.send(Add(2, 3)).await.unwrap();
    assert_eq!(five, 5);
}
