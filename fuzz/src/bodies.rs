//! Frames of Commands or Replies in one Format. They are decoded by the library, whole and in pieces, and by a
//! reference; and encoded again.

use super::input::{Cuts, Input, Piece};
use super::memory::measure;
use super::sample::{End, Item, Scripting, Stream, reference_all, scripted};

/// Checks a stream of frames in one direction: the rest of the input, or what it makes as a script.
pub fn check_side<V: Scripting>(input: &mut Input<'_>, is_script: bool) {
    let limit = input.choice(&[4 << 20, 1 << 40, 4096, 200, 64, 20, 16, 8, 1]);
    let max_len = input.choice(&[usize::MAX, 4 << 20, 1000, 130, 60, 2, 0]);
    let cuts = Cuts::read(input);
    if is_script {
        let script = scripted::<V>(input);
        check_stream::<V>(max_len, limit, cuts, &script.bytes);
        if let Some(items) = script.items {
            let mut found = Vec::new();
            let end = Stream::<V>::new(V::FORMAT, usize::MAX, &script.bytes)
                .read_all(&[Piece::whole(script.bytes.len())], |item| found.push(item));
            assert_eq!((found, end), (items, End::Clean), "not what was encoded");
        }
    } else {
        check_stream::<V>(max_len, limit, cuts, input.rest());
    }
}

fn check_stream<V: Scripting>(max_len: usize, limit: usize, cuts: Cuts, bytes: &[u8]) {
    let format = V::limited(max_len);
    let mut expected = Vec::new();
    let expected_end = reference_all::<V>(max_len, limit, bytes, &mut expected);

    for pieces in [cuts.pieces(bytes.len()), vec![Piece::whole(bytes.len())]] {
        let mut items = expected.iter().map(|(item, _)| item);
        let end = Stream::<V>::new(format, limit, bytes).read_all(&pieces, |item| {
            assert_eq!(Some(&item), items.next(), "{pieces:?}");
        });
        assert_eq!(end, expected_end, "{pieces:?}");
        assert_eq!(items.next(), None, "{pieces:?}");

        let (_, used) = measure(|| Stream::<V>::new(format, limit, bytes).read_all(&pieces, drop));
        assert!(used.total <= MOST_PER_BYTE * bytes.len() + MOST, "{used:?} for {} bytes", bytes.len());
    }

    let mut start = 0;
    for (item, taken) in &expected {
        let frame = &bytes[start..start + taken];
        start += taken;
        assert_cuts::<V>(format, limit, frame);
        assert_goes_back(item);
    }
}

/// Measured: at most 10 per byte. `MOST` covers what an error takes.
const MOST_PER_BYTE: usize = 32;
const MOST: usize = 1024;

/// Checks that a cut frame is incomplete, and that no more is reported missing than is.
fn assert_cuts<V: Scripting>(format: V::Format, limit: usize, frame: &[u8]) {
    let cuts = (1..frame.len()).filter(|cut| *cut < 16 || frame.len() - cut < 3);
    for cut in cuts {
        let end = Stream::<V>::new(format, limit, &frame[..cut]).read_all(&[Piece::whole(cut)], |item| {
            panic!("{item:?} is in {frame:02x?} cut at {cut}");
        });
        let End::Cut(missing) = end else { panic!("{end:?} of {frame:02x?} cut at {cut}") };
        assert!((1..=frame.len() - cut).contains(&missing));
    }
}

/// Checks that a value is the same after it was encoded and decoded, and so is its encoding.
fn assert_goes_back<V: Scripting>(item: &Item<V>) {
    let mut encoded = Vec::new();
    item.encode(&V::FORMAT, &mut encoded).expect("what was decoded can be written");
    let mut again = Vec::new();
    let end =
        Stream::<V>::new(V::FORMAT, usize::MAX, &encoded).read_all(&[Piece::whole(encoded.len())], |back| {
            assert_eq!(&back, item);
            back.encode(&V::FORMAT, &mut again).expect("as above");
        });
    assert_eq!(end, End::Clean);
    assert_eq!(again, encoded);
}
