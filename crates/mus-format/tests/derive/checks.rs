//! Validation functions: where they are called, with what, and what becomes of their errors.

use std::collections::BTreeMap;
use std::fmt;

use mus_format::{Fault, Mus, to_vec};

use crate::support::{fault, stands_as};

fn even(number: &u32) -> Result<(), &'static str> {
    if number.is_multiple_of(2) { Ok(()) } else { Err("odd") }
}

fn short(text: &str) -> Result<(), String> {
    if text.len() <= 2 { Ok(()) } else { Err(format!("{text} is long")) }
}

/// What a check refuses with.
#[track_caller]
fn refusal<T: for<'de> mus_format::Decode<'de> + fmt::Debug>(hex: &str) -> (String, usize) {
    let error = fault::<T>(hex);
    match error.fault {
        Fault::Validation(refusal) => (refusal.to_string(), error.at),
        other => panic!("{other}"),
    }
}

#[derive(Mus, Debug, PartialEq)]
struct Checked {
    #[mus(validate = even)]
    number: u32,
    #[mus(raw, validate = self::even)]
    raw: u32,
    /// A function of a reference that the type's own coerces to.
    #[mus(max_len = 10, validate = short)]
    text: String,
    #[mus(elem(validate = Self::not_seven))]
    list: Vec<u8>,
    #[mus(elem(elem(raw, validate = even), validate = Self::some), key(validate = short), validate = not_empty::<3>)]
    map: BTreeMap<String, Option<u32>>,
}

impl Checked {
    fn not_seven(number: &u8) -> Result<(), Refused> {
        if *number == 7 { Err(Refused) } else { Ok(()) }
    }

    fn some(number: &Option<u32>) -> Result<(), &'static str> {
        number.map(|_| ()).ok_or("nothing")
    }
}

fn not_empty<const MOST: usize>(map: &BTreeMap<String, Option<u32>>) -> Result<(), String> {
    if (1..=MOST).contains(&map.len()) { Ok(()) } else { Err(format!("{} entries", map.len())) }
}

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

fn checked() -> Checked {
    let map = BTreeMap::from([("ab".to_owned(), Some(2))]);
    Checked { number: 2, raw: 4, text: "ab".into(), list: vec![1, 2], map }
}

#[test]
fn what_is_not_refused_is_decoded() {
    stands_as(&checked(), "02  04000000  026162  02 01 02  01 026162 00 02000000");
}

#[test]
fn each_item_is_checked_once_it_is_read() {
    let cases = [
        ("03", "odd", 1),
        ("02 05000000", "odd", 5),
        ("02 04000000 03616263", "abc is long", 9),
        ("02 04000000 00 03 01 07 01", "refused", 9),
        ("02 04000000 00 00 00", "0 entries", 8),
        ("02 04000000 00 00 02 03616263", "abc is long", 12),
        ("02 04000000 00 00 01 0161 01", "nothing", 11),
        ("02 04000000 00 00 01 0161 00 03000000", "odd", 15),
        (
            "02 04000000 00 00 04 0161 00 00000000 0162 00 00000000 0163 00 00000000 0164 00 00000000",
            "4 entries",
            36,
        ),
    ];
    for (bytes, text, at) in cases {
        // At once: in pieces, checks come when the value is whole, and these end before.
        let decoded = mus_format::decode::<Checked>(&crate::support::unhex(bytes));
        let mus_format::Decoded::Invalid(error) = decoded else { panic!("{bytes}: {decoded:?}") };
        let Fault::Validation(refusal) = &error.fault else { panic!("{bytes}: {error}") };
        assert_eq!((refusal.to_string().as_str(), error.at), (text, at), "{bytes}");
    }
}

#[test]
fn the_error_is_that_of_the_function() {
    let error = fault::<Checked>("02 04000000 00 01 07 00");
    let Fault::Validation(refusal) = &error.fault else { panic!("{error}") };
    assert!(refusal.is::<Refused>());
    assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("refused"));
}

#[test]
fn nothing_is_checked_when_encoding() {
    let odd = Checked { number: 3, list: vec![7], map: BTreeMap::new(), ..checked() };
    assert!(to_vec(&odd).is_ok());
}

#[test]
fn a_type_is_checked_after_its_fields() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(dtm = 9, validate = Self::ordered)]
    struct Range {
        from: u32,
        #[mus(validate = even)]
        to: u32,
    }
    impl Range {
        fn ordered(&self) -> Result<(), &'static str> {
            if self.from <= self.to { Ok(()) } else { Err("not in order") }
        }
    }
    stands_as(&Range { from: 3, to: 4 }, "09 03 04");
    assert_eq!(refusal::<Range>("09 05 04"), ("not in order".to_owned(), 3));
    assert_eq!(refusal::<Range>("09 05 03"), ("odd".to_owned(), 3));
    // As an element it is checked before the next one is read.
    let bytes = [2, 9, 5, 4, 8, 0, 0];
    let mus_format::Decoded::Invalid(error) = mus_format::decode::<Vec<Range>>(&bytes) else {
        panic!("no error")
    };
    let why = std::error::Error::source(&error).expect("that of the function").to_string();
    assert_eq!((why.as_str(), error.at), ("not in order", 4));
}

#[test]
fn an_enum_is_checked_after_its_fields() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(validate = small)]
    enum Number {
        Small(#[mus(validate = even)] u32),
        Large { number: u32 },
    }
    fn small(number: &Number) -> Result<(), String> {
        match number {
            Number::Large { number } if *number < 100 => Err(format!("{number} is small")),
            _ => Ok(()),
        }
    }
    stands_as(&Number::Small(2), "01 02");
    stands_as(&Number::Large { number: 101 }, "02 65");
    assert_eq!(refusal::<Number>("01 03"), ("odd".to_owned(), 2));
    assert_eq!(refusal::<Number>("02 03"), ("3 is small".to_owned(), 2));
}

#[test]
fn functions_may_have_any_name_and_be_generic() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(validate = error)]
    struct Names<T: PartialOrd>(
        #[mus(validate = value)] Vec<T>,
        #[mus(elem(validate = reader::<T>))] Option<T>,
    );
    fn value<T: PartialOrd>(list: &[T]) -> Result<(), &'static str> {
        if list.is_sorted() { Ok(()) } else { Err("not sorted") }
    }
    fn reader<T>(_: &T) -> Result<(), &'static str> {
        Ok(())
    }
    fn error<T: PartialOrd>(names: &Names<T>) -> Result<(), &'static str> {
        if names.1.is_some() { Ok(()) } else { Err("nothing") }
    }
    stands_as(&Names(vec![1_u8, 2], Some(3)), "02 01 02 00 03");
    assert_eq!(refusal::<Names<u8>>("02 02 01 00 03").0, "not sorted");
    assert_eq!(refusal::<Names<u8>>("00 01").0, "nothing");
}
