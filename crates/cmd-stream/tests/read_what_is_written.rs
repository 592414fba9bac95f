//! What a Format cannot read, it does not write: the call fails, and the others on its connection go on.
#![cfg(all(feature = "json", feature = "mus", feature = "protobuf"))]

use std::error::Error as StdError;
use std::rc::Rc;
use std::sync::Arc;

use cmd_stream::format::{Decode, Encode, Format};
use cmd_stream::proto::Decoded;
use cmd_stream::transport::memory;
use cmd_stream::{
    Answer, CallError, Client, Context, ErrorKind, Failed, Json, Mus, Problem, Protobuf, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::sync::Notify;

/// Answered with a tree of as many levels, plus `more`.
#[derive(mus_format::Mus, Serialize, Deserialize, Clone, PartialEq, prost::Message)]
struct Grow {
    #[prost(message, required, tag = "1")]
    tree: Tree,
    #[prost(uint32, tag = "2")]
    more: u32,
}

#[derive(mus_format::Mus, Serialize, Deserialize, Clone, PartialEq, prost::Message)]
struct Tree {
    #[prost(message, repeated, tag = "1")]
    kids: Vec<Self>,
}

/// Answered when the server is told.
#[derive(mus_format::Mus, Serialize, Deserialize, Clone, PartialEq, prost::Message)]
struct Wait {
    #[prost(uint32, tag = "1")]
    number: u32,
}

impl Tree {
    fn of(depth: u32) -> Self {
        (0..depth).fold(Self::default(), |inner, _| Self { kids: vec![inner] })
    }

    fn depth(&self) -> u32 {
        self.kids.first().map_or(0, |kid| 1 + kid.depth())
    }
}

struct Gardener {
    told: Arc<Notify>,
}

impl Answer<Gardener> for Grow {
    async fn answer(self, _: &Gardener, _: &Context<'_>) -> Result<Tree, Failed> {
        Ok(Tree::of(self.tree.depth() + self.more))
    }
}

impl Answer<Gardener> for Wait {
    async fn answer(self, gardener: &Gardener, _: &Context<'_>) -> Result<Self, Failed> {
        gardener.told.notified().await;
        Ok(self)
    }
}

protocol! {
    struct Garden {
        commands { 1 => Grow -> Tree, 2 => Wait -> Wait }
        replies { 1 => Tree, 2 => Wait, 3 => Problem }
        failure Problem
    }
}

/// Sends trees of the most levels that can be read, and deeper ones, while another call waits. `most` is for a `Grow`, which
/// is outside of its tree; `reply` for a tree alone.
macro_rules! tree_that_is_too_deep_fails_its_call_alone {
    ($name:ident, $format:expr, $most:expr, $reply:expr) => {
        #[tokio::test]
        async fn $name() {
            let (connector, listener) = memory::pair();
            let told = Arc::new(Notify::new());
            let server = Server::builder(Garden, $format, Gardener { told: Arc::clone(&told) });
            let server = server.on_connection_lost(|lost| panic!("lost: {}", lost.reason));
            let server = server.listen(listener).expect("its settings are right");
            let handle = server.handle();
            tokio::spawn(server.serve());
            let client = Client::builder(Garden, $format).connect_by(connector);
            let client = within(client).await.expect("the server is there");
            let waits = tokio::spawn({
                let client = client.clone();
                async move { client.send(Wait { number: 7 }).await }
            });

            let grown = within(client.send(Grow { tree: Tree::of($most), more: 0 })).await;
            assert_eq!(grown.expect("it can be read").depth(), $most);
            let refused = within(client.send(Grow { tree: Tree::of($most + 1), more: 0 })).await;
            let CallError::Other(refused) = refused.expect_err("it is too deep") else { panic!("not sent") };
            assert_eq!((refused.kind(), refused.was_sent()), (ErrorKind::Encode, false), "{refused:#}");

            let grown = within(client.send(Grow { tree: Tree::of(1), more: $reply - 1 })).await;
            assert_eq!(grown.expect("it can be read").depth(), $reply);
            let refused = within(client.send(Grow { tree: Tree::of(1), more: $reply })).await;
            assert!(matches!(refused, Err(CallError::Failed(_))), "{refused:?}");

            assert_eq!(handle.counters().failed, 1);
            told.notify_one();
            let answer = within(waits).await.expect("no panic").expect("its connection goes on");
            assert_eq!(answer.number, 7);
        }
    };
}
// In MUS each list is a level. In JSON each tree is an object in a list, and `Grow` an object. In Protobuf each is a message.
tree_that_is_too_deep_fails_its_call_alone!(in_mus, Mus, 127, 127);
tree_that_is_too_deep_fails_its_call_alone!(in_json, Json, 62, 62);
tree_that_is_too_deep_fails_its_call_alone!(in_protobuf, Protobuf, 99, 100);

/// Encodes a value, and decodes it if it can be encoded.
fn both_ways<F, T>(format: &F, value: &T) -> Result<bool, String>
where
    F: Encode<T> + Decode<T> + Format,
{
    let mut bytes = Vec::new();
    format.encode(value, &mut bytes).map_err(|error| {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            text = format!("{text}: {source}");
            next = StdError::source(source);
        }
        text
    })?;
    Ok(matches!(format.decode(&bytes, &mut F::Progress::default()), Decoded::Value(..)))
}

#[test]
fn whatever_depth_can_be_written_can_be_read() {
    for depth in 0..200 {
        let tree = Tree::of(depth);
        let read = [both_ways(&Mus, &tree), both_ways(&Json, &tree), both_ways(&Protobuf, &tree)];
        let [mus, json, protobuf] = read.map(|read| read.inspect(|&read| assert!(read, "{depth}")).is_ok());
        // Not less than what can be read.
        let text = serde_json::to_string(&tree).expect("it has no limit");
        assert_eq!(serde_json::from_str::<Tree>(&text).is_ok(), json, "{depth}");
        assert_eq!((mus, json, protobuf), (depth <= 127, depth <= 62, depth <= 100), "{depth}");
    }
    let refused = both_ways(&Json, &Tree::of(63)).expect_err("it is too deep");
    assert!(refused.contains("nested deeper than 127 levels"), "{refused}");
    let refused = both_ways(&Protobuf, &Tree::of(101)).expect_err("it is too deep");
    assert!(refused.contains("could not be read back: ") && refused.contains("recursion limit"), "{refused}");
    assert_eq!(both_ways(&Protobuf.check_nesting(false), &Tree::of(101)), Ok(false), "it is not checked");
}

#[test]
fn elements_without_bytes_have_the_same_limit_on_both_ends() {
    #[derive(mus_format::Mus, PartialEq, Debug)]
    struct Marks(Vec<()>, Vec<Rc<()>>);
    let marks = |one: usize, other: usize| Marks(vec![(); one], (0..other).map(|_| Rc::new(())).collect());
    let format = Mus.empty_elements(10);
    for (one, other) in [(10, 0), (6, 0), (0, 1), (11, 0), (12, 1), (0, 2), (4, 1)] {
        let marks = marks(one, other);
        let read = both_ways(&format, &marks);
        let bytes = {
            let mut bytes = Vec::new();
            Mus.encode(&marks, &mut bytes).expect("by default");
            bytes
        };
        let readable = matches!(
            Decode::<Marks>::decode(&format, &bytes, &mut <Mus as Format>::Progress::default()),
            Decoded::Value(..)
        );
        assert_eq!(read.is_ok(), readable, "{one}, {other}: {read:?}");
    }
}
