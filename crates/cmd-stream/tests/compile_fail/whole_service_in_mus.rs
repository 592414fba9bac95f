// compiles
//! A service in MUS needs no dependency on `mus-format`.

#![deny(warnings)]

use cmd_stream::mus::Mus;
use cmd_stream::{Execute, Failed, Mus, Proxy, Sender, Server, protocol};

struct Calc;

#[derive(Mus)]
#[mus(validate = Self::check)]
struct Add {
    #[mus(raw)]
    a: i32,
    #[mus(max_len = 10, elem(positive))]
    others: Vec<i64>,
}

impl Add {
    fn check(&self) -> Result<(), &'static str> {
        if self.others.is_empty() { Err("nothing to add") } else { Ok(()) }
    }
}

#[derive(Mus)]
enum Sum {
    Exact(i64),
    TooLarge,
}

impl Execute<Calc> for Add {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        let sum = self.others.iter().try_fold(i64::from(self.a), |sum, other| sum.checked_add(*other));
        proxy.send(sum.map_or(Sum::TooLarge, Sum::Exact)).await
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

async fn both() -> Result<(), cmd_stream::Error> {
    let server = Server::bind("127.0.0.1:0", Calculator, Mus, Calc).await?;
    let sender = Sender::connect("127.0.0.1:1", Calculator, Mus.depth(3)).await?;
    let _ = (server.handle(), sender.send(Add { a: 1, others: vec![2] }).await?);
    Ok(())
}

fn main() {
    let _ = both();
    assert_eq!(cmd_stream::mus::description::<Sum>(), "#0 = <1 Exact (i64 zigzag) | 2 TooLarge ()>");
}
