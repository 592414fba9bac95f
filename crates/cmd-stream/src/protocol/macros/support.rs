//! Functions and traits that the expansion of `protocol!` uses: to ask whether a Reply is the last one, and to check
//! tags and kinds at compile time.

use std::str::from_utf8;

use crate::proto::Tag;
use crate::protocol::kind::Kind;
use crate::protocol::{CommandOf, Entry, Protocol, Reply, ReplyOf};

/// Asks a Reply whether it is the last one: through [`SaysWhichIsLast`] if its type implements [`Reply`], or else
/// through [`IsAlwaysLast`].
///
/// The expansion calls the method on a `&Last`. Method lookup tries the `impl` for `Last` first, and the one for
/// `&Last`, which needs one more reference, only if the first does not apply.
#[derive(Debug)]
pub struct Last<'a, T>(pub &'a T);

/// See [`Last`].
pub trait SaysWhichIsLast {
    #[doc(hidden)]
    fn __cmd_stream_is_last(&self) -> bool;
}

/// See [`Last`].
pub trait IsAlwaysLast {
    #[doc(hidden)]
    fn __cmd_stream_is_last(&self) -> bool;
}

impl<T: Reply> SaysWhichIsLast for Last<'_, T> {
    #[inline]
    fn __cmd_stream_is_last(&self) -> bool {
        self.0.is_last()
    }
}

impl<T> IsAlwaysLast for &Last<'_, T> {
    #[inline]
    fn __cmd_stream_is_last(&self) -> bool {
        true
    }
}

/// Returns the tag of the Reply whose entry has this name. Entries are found by name, because the type may not be in
/// scope.
pub const fn tag_of<P: Protocol>(name: &str) -> Tag {
    let mut i = 0;
    while i < P::REPLIES.len() {
        if is_same(P::REPLIES[i].name.as_bytes(), name.as_bytes()) {
            return P::REPLIES[i].tag;
        }
        i += 1;
    }
    panic!("an enum of this Protocol names a Reply that is not listed in it")
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether a name is in a list.
pub const fn is_one_of(name: &str, names: &[&str]) -> bool {
    let mut i = 0;
    while i < names.len() {
        if is_same(names[i].as_bytes(), name.as_bytes()) {
            return true;
        }
        i += 1;
    }
    false
}

/// The name of a Command of the Protocol.
#[diagnostic::on_unimplemented(
    message = "this is listed as idempotent, but is not the name of a Command of this Protocol",
    label = "not the name of a Command"
)]
pub trait IsCommand {}

/// `Idempotent` is what a Command says of itself.
pub trait Says {
    type Idempotent;
}

/// See [`Says`].
#[derive(Debug)]
pub struct Idempotent<const IS: bool>;

/// See [`Says`].
#[diagnostic::on_unimplemented(
    message = "this Command implements `Command` itself: say there that it is `IDEMPOTENT`, and not in the Protocol",
    label = "not `IDEMPOTENT`"
)]
pub trait IsIdempotent {}

impl IsIdempotent for Idempotent<true> {}

/// What says that it is idempotent.
pub trait SaysSo {}

impl<T: Says<Idempotent: IsIdempotent>> SaysSo for T {}

/// What is listed as idempotent. To implement it fails to compile, at the entry, if it is no Command, or says otherwise itself.
pub trait Listed: IsCommand + SaysSo {}

/// Fails to compile, naming the types, if a tag is negative or two types have the same tag.
pub const fn assert_tags(entries: &[Entry]) {
    let mut i = 0;
    while i < entries.len() {
        if entries[i].tag.get() < 0 {
            Message::new().negative_tag(&entries[i]).panic();
        }
        let mut j = i + 1;
        while j < entries.len() {
            if entries[i].tag.get() == entries[j].tag.get() {
                Message::new().same_tag(&entries[i], &entries[j]).panic();
            }
            j += 1;
        }
        i += 1;
    }
}

/// Fails to compile, naming the Command, if the kind and the Reply of a hand-written `impl Command` contradict each
/// other.
pub const fn assert_kind<P: Protocol, C: CommandOf<P>>() {
    if C::Kind::ONE_WAY != <C::Reply as ReplyOf<P>>::TAGS.is_empty() {
        Message::new().contradiction(&P::COMMANDS[C::INDEX]).panic();
    }
}

/// A message composed at compile time, where there is no `format!`.
struct Message {
    text: [u8; 256],
    len: usize,
}

impl Message {
    const fn new() -> Self {
        Self { text: [0; 256], len: 0 }
    }

    const fn same_tag(self, first: &Entry, second: &Entry) -> Self {
        let text = self.add("`").add(first.name).add("` and `").add(second.name);
        text.add("` have the same tag, ").add_number(first.tag.get())
    }

    const fn negative_tag(self, entry: &Entry) -> Self {
        let text = self.add("`").add(entry.name).add("` has the tag ").add_number(entry.tag.get());
        text.add(": tags are integers from 0")
    }

    const fn contradiction(self, entry: &Entry) -> Self {
        let text = self.add("`").add(entry.name);
        text.add("` contradicts itself: its `Kind` must be `OneWay` if and only if its `Reply` is `()`")
    }

    /// Adds as much of a text as fits.
    const fn add(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.len < self.text.len() {
            self.text[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    const fn add_number(self, number: i64) -> Self {
        let text = if number < 0 { self.add("-") } else { self };
        text.add_digits(number.unsigned_abs())
    }

    const fn add_digits(self, number: u64) -> Self {
        let text = if number < 10 { self } else { self.add_digits(number / 10) };
        let digit = [b'0' + (number % 10) as u8];
        match from_utf8(&digit) {
            Ok(digit) => text.add(digit),
            Err(_) => text,
        }
    }

    const fn panic(&self) -> ! {
        match from_utf8(self.text.split_at(self.len).0) {
            Ok(text) => panic!("{}", text),
            // A name that is too long may be cut in the middle of a character.
            Err(_) => panic!("a tag, a `Kind` or a name of this Protocol is wrong"),
        }
    }
}
