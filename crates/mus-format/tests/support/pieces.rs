//! Values that arrive in pieces, as from a network.

use mus_format::{Decode, Decoded, Limits, Progress};

/// Decodes a value of which at first nothing is there. Whenever more bytes are asked for, at least as many arrive, and
/// so many beyond that as `beyond` says. Where more are asked for than there are, all of them have arrived at last.
pub(crate) fn in_pieces<'de, T: Decode<'de>>(
    bytes: &'de [u8],
    limits: &Limits,
    mut beyond: impl FnMut() -> usize,
) -> Decoded<T> {
    let mut progress = Progress::default();
    let mut there = 0;
    loop {
        match progress.decode(&bytes[..there], limits) {
            Decoded::Incomplete(missing) if there < bytes.len() => {
                there = bytes.len().min(there.saturating_add(missing.get()).saturating_add(beyond()));
            }
            answer => return answer,
        }
    }
}
