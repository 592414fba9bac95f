//! Types of other crates: as their text, or by way of another type.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroI16, NonZeroU32};
use std::path::PathBuf;
use std::str::FromStr;

use mus_format::encoding::{Positive, Raw, Text, Via};
use mus_format::{EncodeError, Fault, Mus, description, to_vec};

use crate::support::{fault, stands_as};

#[derive(Mus, Debug, PartialEq)]
struct Peer {
    #[mus(with = Text)]
    address: Ipv4Addr,
    #[mus(elem(with = Text))]
    others: Vec<SocketAddr>,
    #[mus(key(with = Text), elem(with = Text<Raw, 5>))]
    costs: BTreeMap<IpAddr, f64>,
    #[mus(elem(with = Text), validate = even)]
    hops: Option<u8>,
}

fn even(hops: &Option<u8>) -> Result<(), &'static str> {
    if hops.is_none_or(|hops| hops % 2 == 0) { Ok(()) } else { Err("odd") }
}

fn peer() -> Peer {
    Peer {
        address: Ipv4Addr::new(10, 0, 0, 1),
        others: vec!["[::1]:80".parse().unwrap()],
        costs: BTreeMap::from([("::".parse().unwrap(), 1.5)]),
        hops: Some(12),
    }
}

#[test]
fn a_value_stands_as_its_text() {
    stands_as(
        &peer(),
        "08 31302e302e302e31  01 08 5b3a3a315d3a3830  01 02 3a3a 0300000000000000 312e35  00 02 3132",
    );
    assert_eq!(
        description::<Peer>(),
        "#0 = {address: string, others: [string], costs: [#1], hops: option(string)}\n\
         #1 = (string, string(raw length))"
    );
}

#[test]
fn text_that_is_no_value_is_refused_with_its_error_behind_it() {
    #[derive(Mus, Debug)]
    struct Address(#[mus(with = Text)] Ipv4Addr);
    let error = fault::<Address>("03 312e32");
    let Fault::Validation(why) = &error.fault else { panic!("{error}") };
    assert!(why.is::<AddrParseError>(), "{why}");
    assert_eq!(error.at, 4);
    // Inside other types it is as far into the value.
    let error = fault::<Peer>("08 31302e302e302e31  01 01 30  00  01");
    assert!(matches!(error.fault, Fault::Validation(_)), "{error}");
    assert_eq!(error.at, 12);
    assert!(matches!(fault::<Address>("02 ffff").fault, Fault::InvalidUtf8));
    // What a field's own function refuses comes after that.
    let error = fault::<Peer>("08 31302e302e302e31  00  00  00 02 3133");
    assert!(matches!(&error.fault, Fault::Validation(why) if why.to_string() == "odd"), "{error}");
}

#[test]
fn text_is_as_long_as_its_encoding_allows() {
    #[derive(Mus, Debug, PartialEq)]
    struct Short(#[mus(with = Text<Positive, 3>)] u32);
    stands_as(&Short(123), "03 313233");
    assert!(matches!(to_vec(&Short(1234)), Err(EncodeError::TooLong { length: 4, limit: 3 })));
    let error = fault::<Short>("04");
    assert!(matches!(error.fault, Fault::TooLong { length: 4, limit: 3 }) && error.at == 1, "{error}");
}

#[test]
fn a_value_that_has_no_text_cannot_be_written() {
    #[derive(Debug)]
    struct Mute;
    impl fmt::Display for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    impl FromStr for Mute {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            Err(format!("{text} is nothing to say"))
        }
    }
    #[derive(Mus, Debug)]
    struct Word(#[mus(with = Text)] Mute);
    assert!(matches!(to_vec(&Word(Mute)), Err(EncodeError::Refused(why)) if why.is::<fmt::Error>()));
    let error = fault::<Word>("01 61");
    assert!(matches!(&error.fault, Fault::Validation(why) if why.to_string() == "a is nothing to say"));
}

#[test]
fn a_value_stands_as_what_it_converts_to() {
    #[derive(Mus, Debug, PartialEq)]
    struct Converted {
        #[mus(with = Via<u32, Raw>)]
        address: Ipv4Addr,
        #[mus(with = Via<i16>)]
        number: NonZeroI16,
        #[mus(elem(with = Via<u32>))]
        letters: Vec<char>,
        #[mus(with = Via<String>)]
        path: PathOfText,
        #[mus(with = Via<Wire>)]
        size: Size,
    }
    #[derive(Clone, Debug, PartialEq)]
    struct PathOfText(PathBuf);
    impl From<PathOfText> for String {
        fn from(path: PathOfText) -> Self {
            path.0.display().to_string()
        }
    }
    impl From<String> for PathOfText {
        fn from(path: String) -> Self {
            Self(path.into())
        }
    }
    #[derive(Clone, Debug, PartialEq)]
    struct Size {
        width: u16,
        height: u16,
    }
    #[derive(Mus)]
    struct Wire(#[mus(raw)] u16, u16);
    impl From<Size> for Wire {
        fn from(Size { width, height }: Size) -> Self {
            Self(width, height)
        }
    }
    impl TryFrom<Wire> for Size {
        type Error = &'static str;

        fn try_from(Wire(width, height): Wire) -> Result<Self, &'static str> {
            if width == 0 { Err("no width") } else { Ok(Self { width, height }) }
        }
    }
    stands_as(
        &Converted {
            address: Ipv4Addr::new(1, 2, 3, 4),
            number: NonZeroI16::new(-1).unwrap(),
            letters: vec!['a', '€'],
            path: PathOfText("x".into()),
            size: Size { width: 1, height: 2 },
        },
        "04030201  01  02 61 ac41  01 78  0100 02",
    );
    assert_eq!(
        description::<Converted>(),
        "#0 = {address: u32 raw, number: i16 zigzag, letters: [u32 varint], path: string, size: #1}\n\
         #1 = (u16 raw, u16 varint)"
    );
    for (bytes, at) in [
        ("00000000 00 00 00 0100 00", 5),
        ("00000000 01 01 80b003 00 0100 00", 9),
        ("00000000 01 00 00 0000 00", 10),
    ] {
        let error = fault::<Converted>(bytes);
        assert!(matches!(error.fault, Fault::Validation(_)), "{error}");
        assert_eq!(error.at, at, "{bytes}");
    }
}

#[test]
fn a_parameter_is_asked_for_what_the_encoding_needs() {
    #[derive(Mus, Debug, PartialEq)]
    struct Both<T, U> {
        #[mus(with = Text)]
        text: T,
        #[mus(with = Via<u32>)]
        number: U,
    }
    stands_as(&Both { text: 'x', number: NonZeroU32::MIN }, "01 78 01");
}
