// error at `Add(1)`: this Command has a Reply: send it with `send` or `stream`, not with `post`
// error at `Add(2)`: this Command has a Reply: send it with `send` or `stream`, not with `post`
// error at `Traced(Add(3))`: this Command has a Reply: send it with `send` or `stream`, not with `post`
// error at `Traced(Add(4))`: this Command has a Reply: send it with `send` or `stream`, not with `post`
// error at `Add(5)`: this Command has a Reply: send it with `send` or `stream`, not with `post`
// error at `Traced(Add(6))`: this Command has a Reply: send it with `send` or `stream`, not with `post`
// error: send it with `send`
// error: a one-way Command is declared as `TAG => Name -> ()`

use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::sender::SendCommand;
use cmd_stream::{Client, Command, Json, Problem, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add(u32);
#[derive(Serialize, Deserialize)]
struct Sum(i64);
#[derive(Serialize, Deserialize)]
struct Note(u32);
#[derive(Serialize, Deserialize)]
struct Traced<C>(C);

impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
}

protocol! {
    struct Notes {
        commands {
            0 => Add -> Sum,
            1 => Traced<Add> as TracedAdd,
            5 => Note -> (),
            6 => Traced<Note> as TracedNote,
            7 => Traced<Traced<Note>> as TwiceTracedNote,
        }
        replies { 0 => Sum, 1 => Problem }
        failure Problem
    }
}

pub async fn client(
    client: Client<Notes, Json>,
    sender: Sender<Notes, Json>,
    fake: &dyn SendCommand<Add, Failure = Problem>,
    traced: &dyn SendCommand<Traced<Add>, Failure = Problem>,
) {
    let _ = client.post(Add(1)).await;
    let _ = sender.post(Add(2)).await;
    let _ = client.post(Traced(Add(3))).await;
    let _ = sender.post(Traced(Add(4))).await;
    let _ = fake.post(Add(5)).await;
    let _ = traced.post(Traced(Add(6))).await;
}

fn main() {}
