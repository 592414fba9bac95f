//! The types of the Go program `muscheck` for which users would use the derive.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use mus_format::Mus;

use crate::random::{Any, Random};

#[derive(Mus)]
pub(crate) struct Empty;

#[derive(Mus)]
pub(crate) struct Foo {
    a: isize,
    b: bool,
    c: String,
}

/// `Foo` with a different encoding of its string's length.
#[derive(Mus)]
pub(crate) struct ZigzagFoo {
    a: isize,
    b: bool,
    #[mus(len = varint)]
    c: String,
}

/// In Go this is an embedded field.
#[derive(Mus)]
struct Base {
    n: i8,
}

#[derive(Mus)]
struct Inner {
    id: u32,
    tags: Vec<String>,
}

#[derive(Mus)]
pub(crate) struct Outer {
    base: Base,
    foo: Foo,
    inner: Option<Inner>,
    map: BTreeMap<String, u16>,
    array: [f32; 2],
    at: SystemTime,
    raw: Vec<u8>,
}

#[derive(Mus)]
pub(crate) struct Tree {
    value: i64,
    children: Vec<Self>,
}

#[derive(Mus)]
pub(crate) struct Label(String);

#[derive(Mus)]
pub(crate) enum Shape {
    Circle { r: isize },
    Label(String),
}

#[derive(Mus)]
#[mus(dtm = 300)]
pub(crate) struct TypedFoo {
    a: isize,
    b: bool,
    c: String,
}

#[derive(Mus)]
#[mus(dtm = 7)]
pub(crate) struct FooOfTag7 {
    foo: Foo,
}

/// What Go writes with only its package unsafe.
#[derive(Mus)]
#[mus(raw)]
pub(crate) struct Wide {
    b: bool,
    u8: u8,
    i8: i8,
    u16: u16,
    i16: i16,
    u32: u32,
    i32: i32,
    u64: u64,
    i64: i64,
    u: usize,
    i: isize,
    f32: f32,
    f64: f64,
    s: String,
    raw: Vec<u8>,
    at: SystemTime,
    duration: Duration,
    list: Vec<Vec<i32>>,
    map: BTreeMap<u16, i64>,
    pointer: Option<u32>,
    array: [i16; 3],
    inside: Narrow,
    of: Vec<Width>,
    #[mus(varint)]
    v: u64,
}

#[derive(Mus)]
#[mus(raw)]
pub(crate) struct Narrow {
    n: isize,
    m: BTreeMap<String, u32>,
}

#[derive(Mus)]
#[mus(raw)]
pub(crate) enum Width {
    Narrow(Narrow),
    #[mus(dtm = 300)]
    Length(i64),
}

#[derive(Mus)]
pub(crate) struct Payment {
    id: [u8; 16],
    amount: String,
    at: SystemTime,
    #[mus(nanoseconds)]
    fine: SystemTime,
    parent: Option<[u8; 16]>,
    rates: Vec<String>,
}

macro_rules! any {
    ($($type:ident { $($field:ident)* })*) => { $(
        impl Any for $type {
            fn any(random: &mut Random) -> Self {
                Self { $($field: random.any(),)* }
            }
        }
    )* };
}

any! {
    Foo { a b c }
    ZigzagFoo { a b c }
    Base { n }
    Inner { id tags }
    Outer { base foo inner map array at raw }
    TypedFoo { a b c }
    FooOfTag7 { foo }
    Wide {
        b u8 i8 u16 i16 u32 i32 u64 i64 u i f32 f64 s raw at duration list map pointer array inside of v
    }
    Narrow { n m }
    Payment { id amount at fine parent rates }
}

impl Any for Empty {
    fn any(_: &mut Random) -> Self {
        Self
    }
}

impl Any for Label {
    fn any(random: &mut Random) -> Self {
        Self(random.any())
    }
}

impl Any for Shape {
    fn any(random: &mut Random) -> Self {
        if random.one_in(2) { Self::Circle { r: random.any() } } else { Self::Label(random.any()) }
    }
}

impl Any for Width {
    fn any(random: &mut Random) -> Self {
        if random.one_in(2) { Self::Narrow(random.any()) } else { Self::Length(random.any()) }
    }
}

/// At most two children and some levels, or it would never end.
impl Any for Tree {
    fn any(random: &mut Random) -> Self {
        tree(random, 6)
    }
}

fn tree(random: &mut Random, levels: usize) -> Tree {
    let children = if levels == 0 { 0 } else { random.below(3) };
    Tree { value: random.any(), children: (0..children).map(|_| tree(random, levels - 1)).collect() }
}
