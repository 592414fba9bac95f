//! Types with every encoding of MUS, nested in each other. They are neither printed nor compared: a pointer that is
//! shared a thousand times makes a small value that takes very long to walk. They are compared by their encoding.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mus_format::Mus;

thread_local! {
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

/// Returns the number of nodes decoded on this thread so far, in complete values or not.
pub(super) fn decoded() -> usize {
    DECODED.get()
}

fn count<T>(_: &T) -> Result<(), &'static str> {
    DECODED.set(DECODED.get() + 1);
    Ok(())
}

/// An enum with each kind of recursion.
#[derive(Mus)]
#[mus(validate = count)]
pub(super) enum Node {
    Leaf,
    Numbers(Box<Numbers>),
    Texts(Box<Texts>),
    Bytes(Box<Bytes>),
    List(Vec<Self>),
    Pair(Box<(Self, Self)>),
    Maybe(Option<Rc<Self>>),
    Map(BTreeMap<String, Self>),
    #[mus(dtm = 99)]
    Arrays(Box<Arrays>),
    Times(Box<Times>),
    Lengths(Box<Lengths>),
    Empty(Box<Empty>),
    #[mus(dtm = 300)]
    Version(Version),
    Sets {
        numbers: BTreeSet<i16>,
        words: BTreeSet<Box<str>>,
    },
}

/// An enum that shares its contents.
#[derive(Mus)]
#[mus(validate = count)]
pub(super) enum Graph {
    End(i64),
    Text(#[mus(mapped)] Rc<String>),
    Node(#[mus(mapped)] Rc<Self>),
    Nodes(#[mus(elem(mapped))] Vec<Option<Rc<Self>>>),
    Map(#[mus(elem(mapped))] BTreeMap<u8, Arc<String>>),
    Maybe(#[mus(mapped)] Option<Arc<String>>, Box<Self>),
    /// The content in another encoding.
    Raw(#[mus(mapped)] Rc<Numbers>),
}

#[derive(Mus)]
pub(super) struct Numbers {
    bool: bool,
    integers: (i8, i16, i32, i64, u8, u16, u32, u64),
    #[mus(raw)]
    raw: i32,
    #[mus(varint)]
    short: i8,
    #[mus(positive)]
    bits: i16,
    floats: (f32, f64),
    #[mus(varint)]
    float: f64,
    sizes: (usize, isize),
}

#[derive(Mus)]
#[mus(validate = no_secret)]
pub(super) struct Texts {
    text: String,
    #[mus(max_len = 40)]
    short: Cow<'static, str>,
    #[mus(len = raw, validate = no_space)]
    word: Box<str>,
}

fn no_space(word: &str) -> Result<(), &'static str> {
    if word.contains(' ') { Err("two words") } else { Ok(()) }
}

fn no_secret(texts: &Texts) -> Result<(), String> {
    if texts.text == "secret" { Err("a secret".to_owned()) } else { Ok(()) }
}

#[derive(Mus)]
pub(super) struct Bytes {
    bytes: Vec<u8>,
    #[mus(max_len = 9)]
    few: Cow<'static, [u8]>,
    #[mus(elem(raw))]
    wide: Vec<u32>,
    narrow: VecDeque<u16>,
    floats: Box<[f32]>,
}

#[derive(Mus)]
pub(super) struct Arrays {
    bytes: [u8; 4],
    words: [String; 2],
    #[mus(len = varint)]
    pairs: [(bool, u16); 3],
    none: [u64; 0],
}

#[derive(Mus)]
pub(super) struct Times {
    seconds: SystemTime,
    #[mus(milliseconds)]
    milliseconds: SystemTime,
    #[mus(nanoseconds)]
    nanoseconds: SystemTime,
    duration: Duration,
    #[mus(elem(raw))]
    raw: Option<Duration>,
}

#[derive(Mus)]
pub(super) struct Lengths {
    #[mus(len = varint, max_len = 5, elem(len = raw, max_len = 3))]
    lists: Vec<Vec<i64>>,
    #[mus(len = raw, key(max_len = 2, validate = no_space), elem(len = varint))]
    map: BTreeMap<String, Vec<bool>>,
    #[mus(elem(elem(positive)))]
    bits: Option<Vec<i8>>,
}

/// A struct without bytes.
#[derive(Mus)]
pub(super) struct Empty {
    units: Vec<()>,
    silent: Vec<Silent>,
    nested: Vec<Vec<Silent>>,
    boxed: Option<Box<()>>,
}

#[derive(Mus)]
pub(super) struct Silent {
    #[mus(skip)]
    _memory: [u64; 2],
}

#[derive(Mus)]
#[mus(dtm = 2)]
pub(super) struct Version {
    name: String,
    #[mus(skip)]
    _old: u8,
}

/// A generic enum.
#[derive(Mus)]
pub(super) enum Either<A, B> {
    A(A),
    B { b: B, also: Option<A> },
}
