//! The output of a connection that is not yet written: encoded frames, and those who wait for room. It is under the
//! lock of its connection. No user code runs under that lock, so values are encoded into a [`Scratch`] first.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use super::buffers;

/// Encoded frames in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    /// How much of the front has been written.
    written: usize,
    /// How many bytes are left.
    len: usize,
}

impl Chunks {
    /// These bytes, at least one.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self { written: 0, len: bytes.len(), chunks: VecDeque::from([bytes]) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How much memory they take. A large frame may have been moved in with room that it does not need.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Gives back the room for more bytes.
    pub(crate) fn shrink(&mut self) {
        self.chunks.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// Fills `pieces` with the bytes to be written next. Returns how many it has filled.
    pub(crate) fn front<'a>(&'a self, pieces: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        for (piece, chunk) in pieces.iter_mut().zip(&self.chunks) {
            *piece = IoSlice::new(&chunk[mem::take(&mut skip)..]);
        }
        pieces.len().min(self.chunks.len())
    }

    /// Drops bytes that have been written. Returns whether a large buffer is empty now.
    pub(crate) fn advance(&mut self, bytes: usize) -> bool {
        let mut is_large = false;
        self.written += bytes;
        self.len -= bytes;
        while self.chunks.front().is_some_and(|chunk| chunk.len() <= self.written)
            && let Some(chunk) = self.chunks.pop_front()
        {
            self.written -= chunk.len(); // what is left of it belongs to the next chunk
            is_large |= buffers::is_large(&chunk);
            buffers::give_back(chunk);
        }
        if self.chunks.is_empty() && self.chunks.capacity() > 64 {
            self.chunks = VecDeque::new(); // an idle connection keeps no memory
        }
        is_large
    }

    /// The chunk that small frames are added to.
    fn tail(&mut self) -> &mut Vec<u8> {
        if self
            .chunks
            .back()
            .is_none_or(|chunk| chunk.len() >= buffers::SIZE - LARGE || chunk.capacity() < buffers::SIZE)
        {
            self.chunks.push_back(buffers::take());
        }
        self.chunks.back_mut().expect("a chunk was pushed if there was none")
    }
}

/// A larger encoded value is moved into the output, a smaller one is copied. Copying 16 KiB takes about as long as
/// allocating the next buffer to encode into.
const LARGE: usize = 16 << 10;

/// The output that waits for the connection's task.
#[derive(Debug)]
pub(crate) struct Outbox {
    queued: Chunks,
    /// Bytes that the task has taken and not yet written.
    in_writing: usize,
    high_water: usize,
}

impl Outbox {
    /// Creates an outbox that is full at `high_water` bytes. A frame is accepted if there was any room before it.
    pub(crate) fn new(high_water: usize) -> Self {
        Self { queued: Chunks::default(), in_writing: 0, high_water }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Whether all of it has been written.
    pub(crate) fn is_written(&self) -> bool {
        self.is_empty() && self.in_writing == 0
    }

    /// How many bytes are not yet written.
    pub(crate) fn len(&self) -> usize {
        self.queued.len() + self.in_writing
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How much memory takes what is queued.
    pub(crate) fn capacity(&self) -> usize {
        self.queued.capacity()
    }

    /// Changes at how many bytes it is full.
    pub(crate) fn set_high_water(&mut self, bytes: usize) {
        self.high_water = bytes;
    }

    /// How many bytes there is room for.
    pub(crate) fn room(&self) -> usize {
        self.high_water.saturating_sub(self.len())
    }

    /// Appends a frame: what `head` writes, then what has been encoded.
    #[inline(always)] // every frame passes here, and the compiler does not inline what is called twice
    pub(crate) fn append(&mut self, head: impl FnOnce(&mut Vec<u8>), scratch: &mut Scratch) {
        // Small frames share a chunk, so that a batch of them is one piece of the write.
        let tail = self.queued.tail();
        let before = tail.len();
        head(tail);
        let added = tail.len() - before + scratch.len();
        if scratch.len() <= LARGE {
            tail.extend_from_slice(&scratch.bytes);
        } else {
            if tail.is_empty()
                && let Some(empty) = self.queued.chunks.pop_back()
            {
                // There was no head. Writing an empty chunk would return 0, as at the end of the stream.
                buffers::give_back(empty);
            }
            self.queued.chunks.push_back(scratch.take());
        }
        self.queued.len += added;
    }

    /// How many bytes are queued, without those that are being written.
    pub(crate) fn queued(&self) -> usize {
        self.queued.len()
    }

    /// Drops some of the frames that are queued. `frames` are the lengths of all of them in their order, and whether each
    /// stays.
    pub(crate) fn retain(&mut self, frames: impl Iterator<Item = (usize, bool)>) {
        let mut before = mem::take(&mut self.queued);
        for (mut len, stays) in frames {
            while len > 0
                && let Some(chunk) = before.chunks.front()
            {
                let piece = &chunk[before.written..];
                let piece = &piece[..len.min(piece.len())];
                if stays {
                    self.queued.tail().extend_from_slice(piece);
                    self.queued.len += piece.len();
                }
                let taken = piece.len();
                before.advance(taken);
                len -= taken;
            }
        }
        debug_assert!(before.is_empty(), "every byte belongs to a frame");
    }

    /// Takes the first frame of those that are queued, which has this length, without its first `skip` bytes.
    pub(crate) fn take_front(&mut self, skip: usize, len: usize) -> Vec<u8> {
        let (mut frame, mut left) = (Vec::with_capacity(len.saturating_sub(skip)), len);
        while left > 0
            && let Some(chunk) = self.queued.chunks.front()
        {
            let piece = &chunk[self.queued.written..];
            let piece = &piece[..left.min(piece.len())];
            let skipped = skip.saturating_sub(len - left).min(piece.len());
            frame.extend_from_slice(&piece[skipped..]);
            let taken = piece.len();
            self.queued.advance(taken);
            left -= taken;
        }
        debug_assert!(left == 0, "the frame is there");
        frame
    }

    /// Moves all that is queued to `chunks`, which is empty.
    pub(crate) fn take(&mut self, chunks: &mut Chunks) {
        debug_assert!(chunks.is_empty() && chunks.chunks.is_empty(), "the last batch was written to its end");
        mem::swap(&mut self.queued, chunks);
        // Still counted: otherwise a peer that reads slowly would let this side hold twice the limit.
        self.in_writing = chunks.len();
    }

    /// Books how much of what was taken is not yet written.
    pub(crate) fn book(&mut self, left: usize) {
        self.in_writing = left;
    }

    /// Drops what is queued, but not the book of what is being written.
    pub(crate) fn drop_queued(&mut self) {
        self.queued = Chunks::default();
    }

    /// Drops all output.
    pub(crate) fn clear(&mut self) {
        (self.queued, self.in_writing) = (Chunks::default(), 0);
    }
}

/// A buffer to encode a value into before the connection's lock is taken. Each thread keeps one. If encoding a value
/// sends another value, that one gets a new buffer.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    /// Whether the thread gets it back.
    is_lent: bool,
}

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// How large the buffer was that the last large value left this thread with, and how many small ones were encoded into such a
    /// buffer since. Looked at when the spare one is gone: then another large value is likely.
    static LAST: Cell<(usize, u8)> = const { Cell::new((0, 0)) };
}

/// After so many small values in a row no large one is likely any more.
const MOST_SMALL: u8 = 16;

impl Scratch {
    pub(crate) fn new() -> Self {
        let mut bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        if bytes.capacity() == 0 {
            bytes = Self::instead_of_spare();
        }
        Self { bytes, is_lent: true }
    }

    /// The thread's own has gone into the output, with a large value.
    #[cold]
    fn instead_of_spare() -> Vec<u8> {
        match LAST.get() {
            (0, _) => Vec::new(),
            (capacity, _) => buffers::take_for(capacity),
        }
    }

    /// What has been encoded before.
    pub(crate) fn of(encoded: Vec<u8>) -> Self {
        Self { bytes: encoded, is_lent: false }
    }

    /// To be called once a value is encoded, and before any lock is taken. A large value is moved into the output with its buffer, so it
    /// is copied out of one that is much larger.
    pub(crate) fn fit(&mut self) {
        if self.len() > LARGE && self.bytes.capacity() / buffers::MOST_UNUSED > self.len() {
            self.leave_buffer();
        }
    }

    #[cold]
    fn leave_buffer(&mut self) {
        let fitting = self.bytes.as_slice().to_vec();
        buffers::give_back(mem::replace(&mut self.bytes, fitting));
    }

    /// For a value that waits for room, of which there may be many: it gets a buffer of about its size, and the thread has its own back.
    /// A large one stays in its buffer if it fills half of that.
    pub(crate) fn into_waiting(mut self) -> Self {
        if self.len() <= LARGE {
            return Self::of(self.bytes.as_slice().into());
        }
        if self.bytes.capacity() / 2 > self.len() {
            self.leave_buffer();
        }
        self
    }

    /// Moves a large value out.
    fn take(&mut self) -> Vec<u8> {
        LAST.set((self.bytes.capacity(), 0));
        self.is_lent = false; // no more
        mem::take(&mut self.bytes)
    }

    /// A small value was encoded into it. The thread would keep it for ever.
    #[cold]
    fn give_large_back(&mut self) {
        let (capacity, small) = LAST.get();
        LAST.set(if small < MOST_SMALL { (capacity, small + 1) } else { (0, 0) });
        buffers::give_back(mem::take(&mut self.bytes));
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_lent {
            if self.bytes.capacity() > buffers::SIZE {
                return self.give_large_back();
            }
            self.bytes.clear();
            let _ = SPARE.try_with(|spare| spare.set(mem::take(&mut self.bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(outbox: &mut Outbox, head: &[u8], body: &[u8]) {
        let mut scratch = Scratch::new();
        scratch.buffer().extend_from_slice(body);
        outbox.append(|out| out.extend_from_slice(head), &mut scratch);
    }

    fn written(mut chunks: Chunks) -> Vec<u8> {
        let mut all = Vec::new();
        // Half of what is offered, so that writes end in the middle of chunks and behind some of them.
        while !chunks.is_empty() {
            let mut pieces = [IoSlice::new(&[]); 3];
            let count = chunks.front(&mut pieces);
            let offered: Vec<u8> = pieces[..count].iter().flat_map(|piece| piece.iter().copied()).collect();
            let taken = offered.len().div_ceil(2);
            all.extend(&offered[..taken]);
            chunks.advance(taken);
        }
        all
    }

    #[test]
    fn frames_small_and_large_come_out_in_order() {
        let mut outbox = Outbox::new(usize::MAX);
        let mut expected = Vec::new();
        for (n, len) in [3, LARGE, LARGE + 1, 5, 3 * buffers::SIZE, 0, 60_000, 60_000].into_iter().enumerate()
        {
            let body = vec![n as u8; len];
            append(&mut outbox, &[0xf0 | n as u8], &body);
            expected.push(0xf0 | n as u8);
            expected.extend(body);
            assert_eq!(outbox.len(), expected.len());
        }
        let mut chunks = Chunks::default();
        outbox.take(&mut chunks);
        assert_eq!((outbox.len(), chunks.len()), (expected.len(), expected.len()));
        assert!(written(chunks) == expected);
        outbox.book(0);
        assert_eq!(outbox.len(), 0);
    }

    #[test]
    fn no_chunk_is_empty_where_a_large_frame_has_no_head() {
        let mut outbox = Outbox::new(usize::MAX);
        for len in [LARGE + 1, LARGE + 1, 1, LARGE + 1] {
            append(&mut outbox, b"", &vec![1; len]);
        }
        let mut chunks = Chunks::default();
        outbox.take(&mut chunks);
        assert!(chunks.chunks.iter().all(|chunk| !chunk.is_empty()));
        assert_eq!(written(chunks).len(), 3 * (LARGE + 1) + 1);
    }

    #[test]
    fn frames_that_are_dropped_leave_the_others_whole() {
        let lens = [3, LARGE + 1, 5, 40_000, 70_000, 1, LARGE, 2, 30_000];
        for dropped in 0_u32..1 << lens.len() {
            let mut outbox = Outbox::new(usize::MAX);
            let mut expected = Vec::new();
            for (n, len) in lens.into_iter().enumerate() {
                append(&mut outbox, &[n as u8], &vec![n as u8; len - 1]);
                if dropped & 1 << n == 0 {
                    expected.extend(vec![n as u8; len]);
                }
            }
            outbox.retain(lens.into_iter().enumerate().map(|(n, len)| (len, dropped & 1 << n == 0)));
            assert_eq!((outbox.queued(), outbox.is_empty()), (expected.len(), expected.is_empty()));
            let mut chunks = Chunks::default();
            outbox.take(&mut chunks);
            assert!(written(chunks) == expected, "{dropped:b}");
        }
    }

    #[test]
    fn a_large_value_leaves_a_buffer_that_is_much_larger() {
        let scratch = |capacity: usize| {
            let mut bytes = Vec::with_capacity(capacity);
            bytes.extend((0..=LARGE).map(|at| at as u8));
            Scratch::of(bytes)
        };
        let len = LARGE + 1;
        for (capacity, fits, waits) in
            [(len, len, len), (2 * len, 2 * len, 2 * len), (4 * len, 4 * len, len), (40 * len, len, len)]
        {
            let mut fitted = scratch(capacity);
            fitted.fit();
            let waiting = scratch(capacity).into_waiting();
            assert_eq!((fitted.bytes.capacity(), waiting.bytes.capacity()), (fits, waits), "{capacity}");
            assert!(fitted.bytes == scratch(0).bytes && waiting.bytes == fitted.bytes);
        }
    }

    #[test]
    fn it_is_full_at_its_high_water_mark() {
        let mut outbox = Outbox::new(10);
        append(&mut outbox, b"", b"123456789");
        assert_eq!((outbox.is_full(), outbox.room()), (false, 1));
        append(&mut outbox, b"", b"01");
        assert_eq!((outbox.is_full(), outbox.room()), (true, 0));
        let mut chunks = Chunks::default();
        outbox.take(&mut chunks);
        assert!(outbox.is_full(), "what is being written still counts");
        outbox.book(10);
        assert!(outbox.is_full());
        outbox.book(9);
        assert!(!outbox.is_full());
    }
}
