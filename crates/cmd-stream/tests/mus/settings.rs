//! The settings of the Format, without a connection.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::nest;
use cmd_stream::Mus;
use cmd_stream::format::{Decode, Encode};
use cmd_stream::proto::{DecodeError, Decoded, Fault};
use mus_format::{Mus, Progress, to_vec};

fn encode<T: Debug>(format: Mus, value: &T) -> Result<Vec<u8>, String>
where
    Mus: Encode<T>,
{
    let mut out = b"before".to_vec();
    let encoded = format.encode(value, &mut out);
    assert!(encoded.is_ok() || out == b"before", "an error leaves nothing behind");
    encoded.map(|()| out.split_off(6)).map_err(|error| error.to_string())
}

/// Decodes a value that is followed by other bytes.
fn decode<T>(format: Mus, bytes: &[u8]) -> Result<T, String>
where
    Mus: Decode<T, Progress = Progress>,
{
    let followed = [bytes, &[0xff; 20]].concat();
    match format.decode(&followed, &mut Progress::default()) {
        Decoded::Value(value, taken) => {
            assert_eq!(taken, bytes.len());
            Ok(value)
        }
        Decoded::Invalid(DecodeError { fault: Fault::Body(error), at, .. }) => {
            assert!(at <= bytes.len(), "known by its own bytes");
            Err(error.to_string())
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// The content of the `Option` is one level, and the content of the `Box` another.
#[derive(PartialEq, Debug, Mus)]
struct Link(Option<Box<Self>>);

#[derive(PartialEq, Debug, Mus)]
struct Tree(BTreeMap<u8, Self>);

/// Checks that a value of `levels` can be read and written with that limit, and with one less neither.
fn check_depth<T: Debug + PartialEq>(levels: usize, value: &T)
where
    Mus: Encode<T> + Decode<T, Progress = Progress>,
{
    let format = Mus.depth(levels);
    let bytes = encode(format, value).expect("it is at the limit");
    assert_eq!(decode::<T>(format, &bytes).as_ref(), Ok(value));
    let said = format!("nested deeper than {}", levels - 1);
    let format = Mus.depth(levels - 1);
    assert_eq!(encode(format, value), Err(said.clone()));
    let refused = decode::<T>(format, &bytes).expect_err("it is one over the limit");
    assert!(refused.contains(&said), "{refused}");
}

#[test]
fn values_are_read_and_written_up_to_the_depth_that_is_set_and_not_past_it() {
    for levels in [2, 16, 128, 200] {
        check_depth(levels, &nest(levels));
        check_depth(levels, &(0..levels / 2).fold(Link(None), |inner, _| Link(Some(Box::new(inner)))));
        check_depth(levels, &(1..levels).fold(Tree([].into()), |inner, n| Tree([(n as u8, inner)].into())));
    }
    assert!(encode(Mus, &nest(128)).is_ok() && encode(Mus, &nest(129)).is_err(), "it is 128 unless set");
}

/// Takes no bytes on the wire, and 4 in memory: it counts as 4.
#[derive(Clone, Copy, PartialEq, Debug, Mus)]
struct Silent {
    #[mus(skip)]
    _number: u32,
}

#[test]
fn elements_without_bytes_are_read_up_to_the_number_that_is_set_and_not_past_it() {
    fn check<T: Debug + PartialEq>(most: usize, value: &T)
    where
        Mus: Encode<T> + Decode<T, Progress = Progress>,
    {
        let bytes = encode(Mus, value).expect("it can be written");
        assert_eq!(decode::<T>(Mus.empty_elements(most), &bytes).as_ref(), Ok(value));
        let refused =
            decode::<T>(Mus.empty_elements(most - 1), &bytes).expect_err("it is one over the limit");
        assert!(
            refused.contains(&format!("elements without bytes exceed the limit of {}", most - 1)),
            "{refused}"
        );
    }
    for most in [1, 1000] {
        check(most, &vec![(); most]);
        check(4 * most, &vec![Silent { _number: 0 }; most]);
        // The limit counts all elements of the whole value.
        check(3 * most, &vec![vec![(); most]; 3]);
        check(2 * most, &(vec![(); most], [((), most as u64)], Some(vec![(); most])));
    }
    check(4 << 20, &vec![(); 4 << 20]);
    let refused = decode::<Vec<()>>(Mus, &to_vec(&((4_u64 << 20) + 1)).expect("a number")).expect_err("over");
    assert!(refused.contains("exceed the limit of 4194304"), "it is 4 Mi unless set: {refused}");
}

#[test]
fn settings_are_part_of_the_value() {
    assert_eq!(Mus, Mus::default());
    assert_eq!(Mus.depth(128).empty_elements(4 << 20), Mus);
    assert!(Mus.depth(127) != Mus && Mus.empty_elements(1) != Mus);
}
