//! Boxed values are decoded on the heap. Each value is decoded on a thread with little stack, in builds without
//! optimization too; a thread that needs more ends the process.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use mus_format::{DecodeOwned, Encode, Mus, from_slice, to_vec};

const KIB: usize = 1 << 10;

/// Encodes a value on a thread with much stack, decodes it on one with `stack` bytes, and compares the two.
fn decodes_within<T: Encode + DecodeOwned>(stack: usize, value: impl FnOnce() -> T + Send + 'static) {
    let much = thread::Builder::new().stack_size(256 << 20).spawn(move || {
        let value = value();
        let bytes = to_vec(&value).expect("it can be written");
        let little = thread::Builder::new().stack_size(stack).spawn(move || {
            let value = from_slice::<T>(&bytes).expect("it can be read");
            to_vec(&value).expect("it can be written") == bytes
        });
        assert!(little.unwrap().join().unwrap(), "another value was read");
    });
    much.unwrap().join().unwrap();
}

#[derive(Mus)]
struct Page {
    body: Box<[u8; 1 << 20]>,
}

fn heap<T: Clone + Debug, const N: usize>(value: T) -> Box<[T; N]> {
    vec![value; N].into_boxed_slice().try_into().expect("that many")
}

#[test]
fn boxed_arrays_need_no_stack_for_their_elements() {
    decodes_within(64 * KIB, || Page { body: heap(7) });
    decodes_within(64 * KIB, || heap::<u16, { 1 << 19 }>(500));
    decodes_within(64 * KIB, || heap::<i64, { 1 << 17 }>(-1));
    decodes_within(64 * KIB, || heap::<f64, { 1 << 17 }>(0.5));
    decodes_within(64 * KIB, || heap::<Option<String>, { 1 << 15 }>(None));
    decodes_within(64 * KIB, || heap::<[u16; 8], { 1 << 15 }>([3; 8]));
    decodes_within(64 * KIB, || heap::<(), { 1 << 20 }>(()));
}

#[test]
fn boxed_arrays_need_none_wherever_the_box_is_and_however_they_are_encoded() {
    #[derive(Mus)]
    #[mus(raw)]
    struct Raw(Box<[u32; 1 << 18]>, Option<Box<[u64; 1 << 17]>>);
    #[derive(Mus)]
    struct Chosen {
        #[mus(elem(len = raw, elem(raw)))]
        raw: Box<[u32; 1 << 18]>,
        #[mus(validate = is_some)]
        checked: Box<[u16; 1 << 18]>,
        #[mus(elem(elem(positive)))]
        shared: Rc<[i32; 1 << 18]>,
        #[mus(mapped)]
        mapped: Arc<[u16; 1 << 18]>,
        #[mus(mapped)]
        perhaps: Option<Rc<[u8; 1 << 20]>>,
    }
    #[expect(clippy::borrowed_box, reason = "it checks a field of that type")]
    fn is_some(values: &Box<[u16; 1 << 18]>) -> Result<(), String> {
        if values.contains(&9) { Ok(()) } else { Err("no nine".into()) }
    }
    #[derive(Mus)]
    enum Node {
        Leaf,
        Pages(Vec<Page>),
        Named(BTreeMap<String, Rc<[u16; 1 << 18]>>),
    }
    decodes_within(64 * KIB, || Raw(heap(1), Some(heap(2))));
    decodes_within(128 * KIB, || Chosen {
        raw: heap(1),
        checked: heap(9),
        shared: Rc::from(heap(3)),
        mapped: Arc::from(heap(4)),
        perhaps: Some(Rc::from(heap(5))),
    });
    decodes_within(64 * KIB, || vec![Node::Leaf, Node::Pages(vec![Page { body: heap(8) }])]);
    decodes_within(64 * KIB, || Node::Named(BTreeMap::from([("one".into(), Rc::from(heap(6)))])));
}

#[test]
fn an_array_held_inline_needs_a_few_times_its_size() {
    #[derive(Mus)]
    struct Inline {
        body: [u16; 63 * KIB],
        after: String,
    }
    decodes_within(8 * 128 * KIB, || [500_u16; 64 * KIB]);
    decodes_within(8 * 128 * KIB, || [7_u8; 128 * KIB]);
    decodes_within(8 * 128 * KIB, || [0.5_f64; 16 * KIB]);
    decodes_within(10 * 126 * KIB, || Box::new(Inline { body: [500; 63 * KIB], after: "it".into() }));
}

/// Those that are larger do not compile. The README has one.
#[test]
fn the_largest_contents_of_a_box_or_a_sequence_fit_a_thread_of_a_runtime() {
    type Largest = [u16; 64 * KIB];
    #[derive(Mus)]
    struct Struct {
        body: Largest,
    }
    #[derive(Mus)]
    struct Two(([u8; 64 * KIB], [u8; 64 * KIB]));
    #[derive(Mus)]
    enum Enum {
        Body { body: [u8; 128 * KIB - 16] },
    }
    decodes_within(2 << 20, || Box::new(Struct { body: [500; 64 * KIB] }));
    decodes_within(2 << 20, || Rc::new(Two(([7; 64 * KIB], [8; 64 * KIB]))));
    decodes_within(2 << 20, || vec![Enum::Body { body: [9; 128 * KIB - 16] }]);
    decodes_within(2 << 20, || vec![[500_u16; 64 * KIB]; 2]);
    decodes_within(2 << 20, || Box::new((Some([7_u8; 128 * KIB - 16]), 5_u8)));
}

/// A tree of expressions, as such things are: some variants have several fields.
#[derive(Mus)]
enum Expr {
    Leaf(u64),
    Text {
        text: String,
        lang: Option<String>,
        tags: Vec<String>,
    },
    Call {
        name: String,
        args: Vec<Self>,
        named: BTreeMap<String, Self>,
        at: (u32, u32),
        note: Option<String>,
    },
    Let {
        name: String,
        kind: Option<String>,
        value: Box<Self>,
        body: Box<Self>,
    },
    Not(Box<Self>),
}

#[test]
fn the_deepest_tree_that_the_limit_allows_fits_a_thread_of_a_runtime() {
    decodes_within(2 << 20, || (0..128).fold(Expr::Leaf(1), |inner, _| Expr::Not(Box::new(inner))));
    decodes_within(2 << 20, || {
        (0..127).fold(Expr::Leaf(1), |inner, _| Expr::Let {
            name: "x".into(),
            kind: Some("number".into()),
            value: Box::new(Expr::Text { text: "t".into(), lang: None, tags: Vec::new() }),
            body: Box::new(inner),
        })
    });
    decodes_within(2 << 20, || {
        (0..127).fold(Expr::Leaf(1), |inner, _| Expr::Call {
            name: "f".into(),
            args: vec![inner],
            named: BTreeMap::new(),
            at: (1, 2),
            note: None,
        })
    });
}
