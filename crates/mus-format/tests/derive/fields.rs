//! Fields: their order, what is skipped, and the tag of a struct.

use std::cell::Cell;

use mus_format::{Fault, Mus};

use crate::support::{fault, stands_as};

#[derive(Mus, Debug, PartialEq)]
struct Foo {
    a: i64,
    b: bool,
    c: String,
}

fn foo() -> Foo {
    Foo { a: 300, b: true, c: "hi".into() }
}

#[test]
fn fields_stand_in_order_and_nothing_else() {
    stands_as(&foo(), "d804 01 026869");
    stands_as(&Foo { a: 0, b: false, c: String::new() }, "00 00 00");
}

#[test]
fn tuple_structs_are_their_fields() {
    #[derive(Mus, Debug, PartialEq)]
    struct Pair(u16, #[mus(raw)] u16);
    #[derive(Mus, Debug, PartialEq)]
    struct Label(String);
    stands_as(&Pair(300, 300), "ac02 2c01");
    stands_as(&Label("abc".into()), "03616263");
}

#[test]
fn structs_without_fields_have_no_bytes() {
    #[derive(Mus, Debug, PartialEq)]
    struct Unit;
    #[derive(Mus, Debug, PartialEq)]
    struct Empty {}
    #[derive(Mus, Debug, PartialEq)]
    struct NoValues();
    stands_as(&Unit, "");
    stands_as(&Empty {}, "");
    stands_as(&NoValues(), "");
}

#[test]
fn structs_stand_in_one_another() {
    #[derive(Mus, Debug, PartialEq)]
    struct Inner {
        id: u32,
        tags: Vec<String>,
    }
    #[derive(Mus, Debug, PartialEq)]
    struct Outer {
        foo: Foo,
        inner: Option<Box<Inner>>,
        all: Vec<Foo>,
    }
    let inner = Inner { id: 70000, tags: vec!["a".into(), "bc".into()] };
    stands_as(
        &Outer { foo: foo(), inner: Some(Box::new(inner)), all: vec![foo(), foo()] },
        "d804 01 026869  00 f0a204 02 0161 026263  02 d804 01 026869 d804 01 026869",
    );
    stands_as(&Outer { foo: foo(), inner: None, all: vec![] }, "d804 01 026869  01  00");
}

#[test]
fn skipped_fields_are_not_written_and_get_their_default() {
    /// Can be neither encoded nor compared.
    #[derive(Debug, Default)]
    struct Cache(Cell<u32>);
    #[derive(Mus, Debug)]
    struct Entry {
        #[mus(skip)]
        cache: Cache,
        key: u8,
        #[mus(skip)]
        uses: u64,
        value: u8,
    }
    impl PartialEq for Entry {
        fn eq(&self, other: &Self) -> bool {
            (self.key, self.value) == (other.key, other.value)
        }
    }
    let entry = Entry { cache: Cache(Cell::new(7)), key: 1, uses: 9, value: 2 };
    stands_as(&entry, "01 02");
    let decoded: Entry = mus_format::from_slice(&[1, 2]).expect("a value");
    assert_eq!((decoded.cache.0.get(), decoded.uses), (0, 0));
}

#[test]
fn names_that_are_keywords_are_as_good_as_others() {
    #[derive(Mus, Debug, PartialEq)]
    struct Keywords {
        r#type: u8,
        r#match: u8,
    }
    #[derive(Mus, Debug, PartialEq)]
    enum Kind {
        r#Self_ { r#type: u8, out: u8, reader: u8, value: u8, tag: u8 },
    }
    stands_as(&Keywords { r#type: 1, r#match: 2 }, "01 02");
    stands_as(&Kind::Self_ { r#type: 1, out: 2, reader: 3, value: 4, tag: 5 }, "01 01 02 03 04 05");
}

#[test]
fn a_tag_stands_before_the_fields() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(dtm = 300)]
    struct Typed {
        a: i64,
        b: bool,
        c: String,
    }
    #[derive(Mus, Debug, PartialEq)]
    #[mus(dtm = -1)]
    struct Negative;
    #[derive(Mus, Debug, PartialEq)]
    #[mus(dtm = 0x7fff_ffff_ffff_ffff)]
    struct Largest(u8);
    #[derive(Mus, Debug, PartialEq)]
    struct Holder {
        negative: Negative,
        typed: Option<Typed>,
    }
    let typed = Typed { a: 300, b: true, c: "hi".into() };
    stands_as(&typed, "ac02 d804 01 026869");
    stands_as(&Negative, "ffffffffffffffffff01");
    stands_as(&Largest(7), "ffffffffffffffff7f 07");
    stands_as(
        &Holder { negative: Negative, typed: Some(typed) },
        "ffffffffffffffffff01 00 ac02 d804 01 026869",
    );
}

#[test]
fn another_tag_is_refused_before_the_fields_are_read() {
    #[derive(Mus, Debug)]
    #[mus(dtm = 7)]
    struct Seven {
        flag: bool,
    }
    let error = fault::<Seven>("08 ff");
    assert!(matches!(error.fault, Fault::WrongTag { expected: 7, found: 8 }));
    assert_eq!(error.at, 1);
    assert!(matches!(fault::<Seven>("ffffffffffffffffff02").fault, Fault::Overflow));
}

#[test]
fn after_a_field_that_is_wrong_nothing_is_read() {
    let error = fault::<Foo>("d804 02 026869");
    assert!(matches!(error.fault, Fault::InvalidBool(2)));
    assert_eq!(error.at, 3);
}

#[test]
fn another_path_to_the_crate_can_be_given() {
    mod inner {
        pub(super) mod reexported {
            pub(crate) use mus_format::*;
        }
    }
    #[derive(Mus, Debug, PartialEq)]
    #[mus(crate = inner::reexported)]
    struct Elsewhere(#[mus(raw)] u16, #[mus(elem(raw), validate = any)] Vec<u16>);
    fn any(_: &[u16]) -> Result<(), &'static str> {
        Ok(())
    }
    stands_as(&Elsewhere(1, vec![2]), "0100 01 0200");
}
