//! The servers that these tests play, and the Protocol that they speak.

use std::sync::{Arc, Mutex};

use cmd_stream::health::{Health, HealthReply};
use cmd_stream::proto::varint;
use cmd_stream::{Problem, protocol};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use crate::net::{Dials, Net};
use crate::wire::frame;

/// A call of the user. The server says at once who it is, or, if it is to hold, when it is told to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) hold: bool,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Name(pub(crate) String);

protocol! {
    pub(crate) struct Watched {
        commands { 0 => Who -> Name, 1 => Health }
        replies { 0 => Name, 1 => HealthReply, 2 => Problem }
        idempotent { Who }
        failure Problem
    }
}

/// What a server says to a probe.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Says {
    Serving,
    Draining,
    NoDatabase,
    /// The failure of its Protocol.
    Failure,
    /// Nothing, until it says something else.
    Nothing,
    /// More than one can read, in several lines.
    TooMuch,
    /// It closes the connection, as one that does not know the Command.
    HangsUp,
}

/// A server that a test plays, at one address.
#[derive(Clone)]
pub(crate) struct Site {
    does: watch::Sender<Does>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Does {
    says: Says,
    /// Answers calls that it holds.
    lets_go: bool,
    /// Closes the connection instead of answering a call.
    cuts: bool,
}

#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) probes: usize,
    /// Probes that it has not answered, now and at most.
    pub(crate) waiting: usize,
    pub(crate) most_waiting: usize,
    pub(crate) calls: usize,
    pub(crate) connections: usize,
    pub(crate) ended: usize,
}

impl Site {
    pub(crate) fn at(net: &Net, address: &'static str) -> Self {
        let does = Does { says: Says::Serving, lets_go: false, cuts: false };
        let site = Self { does: watch::Sender::new(does), seen: Arc::default() };
        let (serving, mut dials): (_, Dials) = (site.clone(), net.server(address));
        tokio::spawn(async move {
            loop {
                let stream = dials.accept().await.into_inner();
                tokio::spawn(serving.clone().serve(stream, address));
            }
        });
        site
    }

    pub(crate) fn say(&self, says: Says) {
        self.does.send_modify(|does| does.says = says);
    }

    /// Answers calls that it holds, and holds none any more.
    pub(crate) fn let_go(&self) {
        self.does.send_modify(|does| does.lets_go = true);
    }

    pub(crate) fn cut(&self) {
        self.does.send_modify(|does| does.cuts = true);
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
    }

    async fn serve(self, mut stream: DuplexStream, name: &str) {
        self.note(|seen| seen.connections += 1);
        let mut does = self.does.subscribe();
        let (mut bytes, mut probes, mut held) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let Does { says, lets_go, cuts } = *does.borrow_and_update();
            for seq in probes.extract_if(.., |_| says != Says::Nothing) {
                let answer = match says {
                    Says::Serving => frame(seq, 1, r#"{"state":1,"reason":""}"#),
                    Says::Draining => frame(seq, 1, r#"{"state":2,"reason":""}"#),
                    Says::NoDatabase => frame(seq, 1, r#"{"state":3,"reason":"no database"}"#),
                    Says::Failure => frame(seq, 2, r#"{"code":1000,"message":"odd"}"#),
                    Says::TooMuch => {
                        let reason = "no\\ndatabase ".repeat(10_000);
                        frame(seq, 1, format!(r#"{{"state":3,"reason":"{reason}"}}"#))
                    }
                    Says::Nothing | Says::HangsUp => unreachable!("none is taken out"),
                };
                self.note(|seen| seen.waiting -= 1);
                let _ = stream.write_all(&answer).await;
            }
            for seq in held.extract_if(.., |_| lets_go) {
                let _ = stream.write_all(&frame(seq, 0, format!("{name:?}"))).await;
            }
            let byte = tokio::select! {
                byte = stream.read_u8() => byte,
                _ = does.changed() => continue,
            };
            let Ok(byte) = byte else { break };
            bytes.push(byte);
            let Some((seq, tag, body)) = parsed(&bytes) else { continue };
            if tag == 1 && says == Says::HangsUp {
                break;
            }
            if tag == 1 {
                probes.push(seq);
                self.note(|seen| {
                    seen.probes += 1;
                    seen.waiting += 1;
                    seen.most_waiting = seen.most_waiting.max(seen.waiting);
                });
            } else if seq > 0 {
                self.note(|seen| seen.calls += 1);
                if cuts {
                    break;
                } else if body == br#"{"hold":true}"# {
                    held.push(seq);
                } else {
                    let _ = stream.write_all(&frame(seq, 0, format!("{name:?}"))).await;
                }
            }
            bytes.clear();
        }
        self.note(|seen| {
            seen.ended += 1;
            seen.waiting -= probes.len();
        });
    }
}

/// Seq, tag and body of a frame, if it is whole.
fn parsed(mut bytes: &[u8]) -> Option<(i64, i64, &[u8])> {
    let mut number = || {
        let len = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let (number, rest) = bytes.split_at(len);
        bytes = rest;
        let value = number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
        let mut again = Vec::new();
        varint::encode(value, &mut again);
        assert_eq!(again, number);
        Some(value.cast_signed())
    };
    let (seq, tag, len) = (number()?, number()?, number()?);
    (bytes.len() as i64 == len).then_some((seq, tag, bytes))
}
