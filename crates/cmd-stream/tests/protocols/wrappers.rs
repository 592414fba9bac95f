//! Generic Commands: listed once for each type argument, and executed as the Command they wrap.

use std::sync::{Arc, Mutex};

use crate::{Add, CalcError, Divide, Quotient, Sum, Traced, Whole, calculator};
use cmd_stream::{Answer, CallError, Client, Context, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::sample::TraceCmd;
use testkit::wait::until;

#[tokio::test(start_paused = true)]
async fn a_generic_command_is_listed_once_for_each_of_its_types() {
    let client = calculator().await;
    let add = |a, b| Traced { trace: 1, command: Add { a, b } };
    assert_eq!(client.send(add(2, 3)).await.expect("a reply"), Sum(5));
    match client.send(add(1000, 3)).await.expect_err("over the limit") {
        CallError::Failed(failure) => assert_eq!(failure, CalcError("too much".into())),
        CallError::Other(error) => panic!("{error:#}"),
    }
    let divide =
        Traced { trace: 1, command: Traced { trace: 2, command: Divide { a: 6, b: 3, both: false } } };
    assert_eq!(client.send(divide).await.expect("a reply"), Quotient::Exact(Whole { value: 2, more: false }));
}

/// The Receiver.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

/// One-way.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Note {
    text: String,
}

/// Answered with each note, in order of arrival.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct ReadAll {}

/// Answered with the number of notes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct CountAll {}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Line {
    text: String,
    more: bool,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Count(usize);

impl Reply for Line {
    fn is_last(&self) -> bool {
        !self.more
    }
}

impl Answer<Notes> for Note {
    async fn answer(self, notes: &Notes, _: &Context<'_>) -> Result<(), Failed> {
        notes.0.lock().expect("no panic").push(self.text);
        Ok(())
    }
}

impl Execute<Notes> for ReadAll {
    async fn execute(self, notes: &Notes, proxy: Proxy<'_, Line>) -> Result<(), Failed> {
        let notes = notes.0.lock().expect("no panic").clone();
        let left = (0..notes.len()).rev();
        for (text, left) in notes.into_iter().zip(left) {
            proxy.send(Line { text, more: left > 0 }).await?;
        }
        Ok(())
    }
}

impl Answer<Notes> for CountAll {
    async fn answer(self, notes: &Notes, _: &Context<'_>) -> Result<Count, Failed> {
        Ok(Count(notes.0.lock().expect("no panic").len()))
    }
}

protocol! {
    struct Notebook {
        commands {
            0 => Note -> (),
            1 => ReadAll -> Line,
            2 => CountAll -> Count,
            3 => TraceCmd<Note> as TracedNote,
            4 => TraceCmd<ReadAll> as TracedReadAll,
            5 => TraceCmd<TraceCmd<CountAll>> as TwiceTracedCountAll,
        }
        replies { 0 => Line, 1 => Count }
        failure close_connection
    }
}

fn traced<C>(cmd: C) -> TraceCmd<C> {
    TraceCmd { map_carrier: None, cmd }
}

#[tokio::test(start_paused = true)]
async fn a_wrapper_of_another_crate_is_sent_and_executed_as_the_command_it_wraps() {
    let notes = Notes::default();
    let (client, server) =
        both(Server::builder(Notebook, Json, notes.clone()), Client::builder(Notebook, Json)).await;
    for text in ["a", "b"] {
        client.post(traced(Note { text: text.into() })).await.expect("it is sent");
    }
    client.post(Note { text: "c".into() }).await.expect("it is sent");
    until(|| notes.0.lock().expect("no panic").len() == 3).await;
    notes.0.lock().expect("no panic").sort(); // each has a task of its own

    let mut stream = client.stream(traced(ReadAll {})).await.expect("sent");
    for (text, more) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(stream.next().await.expect("a reply").expect("a reply"), Line { text: text.into(), more });
    }
    assert!(stream.next().await.is_none());
    assert_eq!(client.send(traced(traced(CountAll {}))).await.expect("a reply"), Count(3));
    assert_eq!((client.in_flight(), server.counters().replies), (0, 4), "of those posted there is none");
}
