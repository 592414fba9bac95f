//! What the server must do with the bytes of a plan.

use std::collections::{HashMap, HashSet};

use cmd_stream::proto::frame::Seq;
use cmd_stream::proto::{DecodeError, Fault};
use cmd_stream::{ErrorKind, Origin};

use super::super::sample::{Item, Next, Side, Stream};
use super::plan::Plan;
use super::service::{Answered, Fed};

/// What the server must do.
#[derive(Debug)]
pub(super) struct Expected<S: Fed> {
    /// The Replies that it sends at once, in order.
    pub(super) at_once: Vec<Item<S::Reply>>,
    /// The Replies that it sends later, in any order of the Commands.
    pub(super) late: Vec<Item<S::Reply>>,
    pub(super) reason: Option<(ErrorKind, Origin)>,
    /// The Replies that the Commands in flight at the end of the connection would have sent.
    pub(super) in_flight: Vec<Item<S::Reply>>,
    pub(super) commands: u64,
    pub(super) pings: u64,
    pub(super) failed: u64,
    pub(super) invalid: u64,
    pub(super) over_limit: u64,
    /// Whether the bytes end inside a frame.
    pub(super) ends_in_frame: bool,
    /// Whether a seq is used twice.
    pub(super) has_seq_twice: bool,
    /// The size of all its Replies in bytes.
    pub(super) output: usize,
}

impl<S: Fed> Expected<S> {
    /// Simulates the server.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut expected = Self {
            at_once: Vec::new(),
            late: Vec::new(),
            reason: None,
            in_flight: Vec::new(),
            commands: 0,
            pings: 0,
            failed: 0,
            invalid: 0,
            over_limit: 0,
            ends_in_frame: false,
            has_seq_twice: false,
            output: 0,
        };
        let format = S::Command::limited(plan.max_len);
        let mut stream = Stream::<S::Command>::new(format, plan.frame, &plan.bytes);
        // The Commands in flight, with their Replies.
        let mut in_flight = HashMap::new();
        let mut seqs = HashSet::new();
        for piece in &plan.pieces {
            expected.ends_in_frame = loop {
                match stream.next(piece.end) {
                    Next::Item(Item::Ping) => {
                        expected.pings += 1;
                        expected.output += 1;
                        expected.at_once.push(Item::Ping);
                    }
                    Next::Item(Item::Value(seq, _)) if seq.get() < 0 || in_flight.contains_key(&seq) => {
                        expected.invalid = 1;
                        expected.end(ErrorKind::Protocol, Origin::Remote);
                    }
                    Next::Item(Item::Value(seq, command)) => {
                        expected.has_seq_twice |= !seqs.insert(seq);
                        expected.commands += 1;
                        if let Some(late) = expected.execute(plan, seq, command) {
                            in_flight.insert(seq, late);
                        }
                    }
                    Next::Invalid(error) => expected.refuse(&error),
                    Next::Wait(_) => break !stream.is_at_frame(piece.end),
                }
                if expected.reason.is_some() {
                    expected.in_flight.extend(in_flight.into_values());
                    return expected;
                }
            };
            if piece.coin {
                expected.late.extend(in_flight.drain().map(|(_, reply)| reply));
            }
        }
        // The server has time to finish them.
        expected.late.extend(in_flight.into_values());
        expected
    }

    fn end(&mut self, kind: ErrorKind, origin: Origin) {
        self.reason = Some((kind, origin));
    }

    fn refuse(&mut self, error: &DecodeError) {
        let kind = match error.fault {
            Fault::TooLong { .. } => ErrorKind::Limit,
            Fault::UnknownTag(_) => ErrorKind::UnknownTag,
            _ => ErrorKind::Decode,
        };
        *(if kind == ErrorKind::Limit { &mut self.over_limit } else { &mut self.invalid }) = 1;
        self.end(kind, Origin::Remote);
    }

    /// Simulates a Command. Returns the Reply that it sends later.
    fn execute(&mut self, plan: &Plan, seq: Seq, command: S::Command) -> Option<Item<S::Reply>> {
        match S::answer(command) {
            Answered::AtOnce(replies) => {
                let mut is_done = false;
                let all_sent = replies.into_iter().all(|reply| {
                    is_done = S::is_last(&reply);
                    self.answer(plan, seq, reply)
                });
                if !(all_sent && is_done) {
                    self.failed = 1;
                    self.end(ErrorKind::Execution, Origin::Local);
                }
                None
            }
            Answered::Late(reply) => {
                let reply = Item::Value(seq, reply);
                self.output += size(plan, &reply).expect("it is under all limits");
                Some(reply)
            }
        }
    }

    /// Returns the number of Replies accepted for output, without pongs.
    pub(super) fn replies(&self) -> u64 {
        let at_once = self.at_once.iter().filter(|item| **item != Item::Ping).count();
        (at_once + self.late.len()) as u64
    }

    /// Adds a Reply to the output. Returns whether it is within the limits.
    fn answer(&mut self, plan: &Plan, seq: Seq, reply: S::Reply) -> bool {
        let reply = Item::Value(seq, reply);
        let Some(size) = size(plan, &reply) else { return false };
        self.output += size;
        self.at_once.push(reply);
        true
    }
}

fn size<R: Side>(plan: &Plan, reply: &Item<R>) -> Option<usize> {
    let mut bytes = Vec::new();
    reply.encode(&R::limited(plan.max_len), &mut bytes).ok()?;
    (bytes.len() <= plan.frame).then_some(bytes.len())
}
