//! Frames of the lab's JSON Commands and Replies, as bytes.

#![allow(dead_code, reason = "each test uses a part of it")]

use cmd_stream::proto::varint;

/// What stands where: the tags of the lab's Commands and Replies.
pub(crate) mod tag {
    pub(crate) const ECHO: i64 = 0;
    pub(crate) const HOLD: i64 = 1;
    pub(crate) const COUNT: i64 = 2;
    pub(crate) const FAIL: i64 = 4;
    pub(crate) const NEST: i64 = 7;
    pub(crate) const FLAG: i64 = 8;
    pub(crate) const TEXT: i64 = 0;
    pub(crate) const NUMBER: i64 = 1;
    pub(crate) const NESTED: i64 = 2;
}

/// Bytes that no 64-bit varint begins with.
pub(crate) const ENDLESS: &[u8] = &[0x80; 10];

/// A number as it stands on the wire.
pub(crate) fn number(value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::encode(value.cast_unsigned(), &mut bytes);
    bytes
}

/// Seq and tag.
pub(crate) fn head(seq: i64, tag: i64) -> Vec<u8> {
    [number(seq), number(tag)].concat()
}

/// Seq, tag and a length that no body follows.
pub(crate) fn announce(seq: i64, tag: i64, length: i64) -> Vec<u8> {
    [head(seq, tag), number(length)].concat()
}

/// A whole frame.
pub(crate) fn frame(seq: i64, tag: i64, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&announce(seq, tag, body.len() as i64), body].concat()
}

/// An Echo.
pub(crate) fn echo_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, tag::ECHO, format!(r#"{{"text":"{text}"}}"#))
}

/// A Hold.
pub(crate) fn hold_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, tag::HOLD, format!(r#"{{"text":"{text}"}}"#))
}

/// The Reply to an Echo or a Hold.
pub(crate) fn text_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, tag::TEXT, format!(r#""{text}""#))
}

/// A Reply to a Count.
pub(crate) fn number_frame(seq: i64, value: u64, last: bool) -> Vec<u8> {
    frame(seq, tag::NUMBER, format!(r#"{{"value":{value},"last":{last}}}"#))
}

/// Brackets so many levels deep.
pub(crate) fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}
