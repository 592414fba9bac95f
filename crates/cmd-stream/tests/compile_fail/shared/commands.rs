//! A crate that a client and a server share: Commands, Replies and their Protocol, without the server's code; and a
//! wrapper that knows no Receiver and no Command.

use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::{Command, Execute, Failed, Proxy, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Add {
    pub a: i64,
    pub b: i64,
}

#[derive(Serialize, Deserialize)]
pub struct Traced<C> {
    pub trace: String,
    pub command: C,
}

#[derive(Serialize, Deserialize)]
pub struct Sum(pub i64);

impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
}

protocol! {
    pub struct Calculator {
        commands { 0 => Add -> Sum, 1 => Traced<Add> as TracedAdd }
        replies { 0 => Sum }
        failure close_connection
    }
}

#[derive(Serialize, Deserialize)]
pub struct Timed<C>(pub C);

impl<C: Command> Command for Timed<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
}

impl<R: Sync, C: Execute<R>> Execute<R> for Timed<C> {
    async fn execute(self, receiver: &R, proxy: Proxy<'_, C::Reply>) -> Result<(), Failed> {
        self.0.execute(receiver, proxy).await
    }
}
