//! Values that are larger than a stack, in a `Box`; and values that are large inline.
#![cfg(feature = "mus")]

use std::time::Duration;

use cmd_stream::transport::memory;
use cmd_stream::{Answer, Client, Context, Failed, Mus, Sender, Server, protocol};
use testkit::wait::within;

#[derive(mus_format::Mus)]
struct Page {
    body: Box<[u8; 3 << 20]>,
}
#[derive(mus_format::Mus)]
struct Words {
    body: Box<[u16; 1 << 20]>,
}
#[derive(mus_format::Mus)]
struct Inline {
    body: [u8; 64 << 10],
}
#[derive(mus_format::Mus)]
struct Sum(u64);

struct Adder;

impl Answer<Adder> for Page {
    async fn answer(self, _: &Adder, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.body.iter().map(|&byte| u64::from(byte)).sum()))
    }
}

impl Answer<Adder> for Words {
    async fn answer(self, _: &Adder, _: &Context<'_>) -> Result<Sum, Failed> {
        tokio::task::yield_now().await;
        Ok(Sum(self.body.iter().map(|&word| u64::from(word)).sum()))
    }
}

impl Answer<Adder> for Inline {
    async fn answer(self, _: &Adder, _: &Context<'_>) -> Result<Sum, Failed> {
        tokio::task::yield_now().await;
        Ok(Sum(self.body.iter().map(|&byte| u64::from(byte)).sum()))
    }
}

protocol! {
    struct Adding {
        commands { 1 => Page -> Sum, 2 => Words -> Sum, 3 => Inline -> Sum }
        replies { 1 => Sum }
        failure close_connection
    }
}

fn heap<T: Clone, const N: usize>(value: T) -> Box<[T; N]> {
    let Ok(values) = vec![value; N].into_boxed_slice().try_into() else { panic!("it has that many") };
    values
}

/// A client of a server, over memory.
async fn client() -> Client<Adding, Mus> {
    let (connector, listener) = memory::pair();
    tokio::spawn(
        Server::builder(Adding, Mus, Adder).listen(listener).expect("it has no limits of its own").serve(),
    );
    within(Client::builder(Adding, Mus).connect_by(connector)).await.expect("the server is there")
}

// The threads of tokio have 2 MiB of stack.
#[test]
fn values_in_a_box_do_not_go_over_the_stack() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sums = runtime.spawn(async {
        let client = client().await;
        for _ in 0..3 {
            let page = client.send(Page { body: heap(2) }).timeout(Duration::from_secs(60));
            assert_eq!(page.await.expect("it is answered").0, 2 * (3 << 20));
            let words = client.send(Words { body: heap(300) }).timeout(Duration::from_secs(60));
            assert_eq!(words.await.expect("it is answered").0, 300 << 20);
            let inline = client.send(Inline { body: [1; 64 << 10] }).timeout(Duration::from_secs(60));
            assert_eq!(inline.await.expect("it is answered").0, 64 << 10);
        }
    });
    runtime.block_on(sums).expect("no panic");
}

#[tokio::test]
async fn a_call_holds_its_command_once() {
    let client = client().await;
    let sender = Sender::from(client.clone());
    let most = size_of::<Inline>() + 512;
    let body = [0; 64 << 10];
    assert!(size_of_val(&client.send(Inline { body })) <= most);
    assert!(size_of_val(&sender.send(Inline { body })) <= most);
    assert!(size_of_val(&sender.stream(Inline { body })) <= most);
}
