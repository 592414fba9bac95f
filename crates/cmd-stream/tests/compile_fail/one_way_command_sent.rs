// error at `Note(1)`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Note(2)`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Note(3)`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Note(4)`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Traced(Note(5))`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Traced(Note(6))`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Traced(Traced(Note(7)))`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Traced(Traced(Note(8)))`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Note(9)`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Note(10)`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error at `Traced(Note(11))`: a one-way Command has no Reply: send it with `post`, not with `send` or `stream`
// error: send it with `post`

use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::sender::SendCommand;
use cmd_stream::{Client, Command, Json, Problem, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
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
    fake: &dyn SendCommand<Note, Failure = Problem>,
    traced: &dyn SendCommand<Traced<Note>, Failure = Problem>,
) {
    let _ = client.send(Note(1)).await;
    let _ = client.stream(Note(2)).await;
    let _ = sender.send(Note(3)).await;
    let _ = sender.stream(Note(4)).await;
    let _ = client.send(Traced(Note(5))).await;
    let _ = client.stream(Traced(Note(6))).await;
    let _ = sender.send(Traced(Traced(Note(7)))).await;
    let _ = sender.stream(Traced(Traced(Note(8)))).await;
    let _ = fake.send(Note(9)).await;
    let _ = fake.stream(Note(10)).await;
    let _ = traced.send(Traced(Note(11))).await;
}

fn main() {}
