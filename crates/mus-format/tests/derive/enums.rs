//! Enums are unions: a tag, and the fields of a variant.

use mus_format::{Fault, Mus};

use crate::support::{fault, stands_as};

#[derive(Mus, Debug, PartialEq)]
enum Shape {
    Circle(i64),
    Label { text: String, bold: bool },
    Nothing,
}

#[test]
fn variants_are_numbered_from_one() {
    stands_as(&Shape::Circle(5), "01 0a");
    stands_as(&Shape::Label { text: "abc".into(), bold: true }, "02 03616263 01");
    stands_as(&Shape::Nothing, "03");
}

#[test]
fn unknown_tags_are_refused() {
    for (bytes, tag, at) in
        [("00 05", 0, 1), ("63 05", 99, 1), ("04", 4, 1), ("ac02", 300, 2), ("ffffffffffffffffff01", -1, 10)]
    {
        let error = fault::<Shape>(bytes);
        assert!(matches!(error.fault, Fault::UnexpectedTag(found) if found == tag), "{error}");
        assert_eq!(error.at, at);
    }
}

#[test]
fn tags_can_be_chosen_and_are_counted_on_from() {
    #[derive(Mus, Debug, PartialEq)]
    enum Chosen {
        #[mus(dtm = 300)]
        First,
        Second,
        #[mus(dtm = -1)]
        Minus(u8),
        Zero,
        #[mus(dtm = 0x7f)]
        Hex {},
    }
    stands_as(&Chosen::First, "ac02");
    stands_as(&Chosen::Second, "ad02");
    stands_as(&Chosen::Minus(7), "ffffffffffffffffff01 07");
    stands_as(&Chosen::Zero, "00");
    stands_as(&Chosen::Hex {}, "7f");
    assert!(matches!(fault::<Chosen>("01").fault, Fault::UnexpectedTag(1)));
}

#[test]
fn fields_of_variants_take_all_options() {
    #[derive(Mus, Debug, PartialEq)]
    enum Options {
        Tuple(#[mus(raw)] u16, #[mus(skip)] u32, u16),
        Named {
            #[mus(skip)]
            skipped: Vec<Shape>,
            #[mus(len = varint, elem(raw))]
            list: Vec<u16>,
        },
        AllSkipped(#[mus(skip)] u8),
    }
    stands_as(&Options::Tuple(1, 0, 2), "01 0100 02");
    stands_as(&Options::Named { skipped: vec![], list: vec![3] }, "02 02 0300");
    stands_as(&Options::AllSkipped(0), "03");
}

#[test]
fn enums_may_hold_themselves() {
    #[derive(Mus, Debug, PartialEq)]
    #[expect(clippy::use_self, reason = "its name must be as good as `Self`")]
    enum Expression {
        Number(i32),
        Sum(Box<Self>, Box<Expression>),
        All(Vec<Expression>),
        Negative { of: Option<Box<Self>> },
    }
    use Expression::{All, Negative, Number, Sum};
    stands_as(
        &Sum(
            Box::new(Number(1)),
            Box::new(All(vec![Negative { of: Some(Box::new(Number(-1))) }, Negative { of: None }])),
        ),
        "02 01 02 03 02 04 00 01 01 04 01",
    );
}

#[test]
fn discriminants_are_left_to_rust() {
    #[derive(Mus, Debug, PartialEq, Clone, Copy)]
    #[repr(u8)]
    enum Level {
        #[mus(dtm = 1)]
        Low = 10,
        High,
    }
    stands_as(&Level::Low, "01");
    stands_as(&Level::High, "02");
    assert_eq!(Level::High as u8, 11);
}
