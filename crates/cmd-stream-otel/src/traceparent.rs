//! The text of W3C Trace Context: `traceparent` and `tracestate`. Knows nothing of Commands.

use arrayvec::ArrayString;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00: `00-<trace id>-<span id>-<flags>`.
pub(crate) const LEN: usize = 55;

/// The text of one.
pub(crate) type Text = ArrayString<LEN>;

/// Where the fields are.
const TRACE_ID: usize = 3;
const SPAN_ID: usize = 36;
const FLAGS: usize = 53;

/// Writes a `traceparent`, whose only flag is whether the span is sampled.
pub(crate) fn write(context: &SpanContext) -> Text {
    let mut text = [b'-'; LEN];
    write_hex([0], &mut text);
    write_hex(context.trace_id().to_bytes(), &mut text[TRACE_ID..]);
    write_hex(context.span_id().to_bytes(), &mut text[SPAN_ID..]);
    write_hex([(context.trace_flags() & TraceFlags::SAMPLED).to_u8()], &mut text[FLAGS..]);
    Text::from_byte_string(&text).expect("digits are text")
}

#[inline]
fn write_hex<const N: usize>(bytes: [u8; N], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let text = &mut text[..2 * N];
    for at in 0..N {
        text[2 * at] = DIGITS[usize::from(bytes[at] >> 4)];
        text[2 * at + 1] = DIGITS[usize::from(bytes[at] & 15)];
    }
}

/// Reads a span context of a peer. If the `traceparent` is not valid, it is `None`: the standard has both texts ignored then. If
/// only the `tracestate` is not valid, the context has none.
pub(crate) fn read(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let text = traceparent.as_bytes();
    if text.len() < LEN || [TRACE_ID, SPAN_ID, FLAGS].iter().any(|field| text[field - 1] != b'-') {
        return None;
    }
    let [version] = read_hex(text)?;
    let may_be_longer = match version {
        0 => false,
        0xff => return None,
        // Of a version to come, these fields are read, and what is behind them is not.
        _ => text.get(LEN) == Some(&b'-'),
    };
    if text.len() > LEN && !may_be_longer {
        return None;
    }
    let trace_id = TraceId::from_bytes(read_hex(&text[TRACE_ID..])?);
    let span_id = SpanId::from_bytes(read_hex(&text[SPAN_ID..])?);
    let [flags] = read_hex(&text[FLAGS..])?;
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    if trace_id == TraceId::INVALID || span_id == SpanId::INVALID {
        return None;
    }
    let state = tracestate.and_then(read_state).unwrap_or_default();
    Some(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// Reads the first digits, two for each byte. Only lower case is allowed.
#[inline]
fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let text = &text[..2 * N];
    let (mut bytes, mut all) = ([0; N], 0);
    for at in 0..N {
        let (high, low) = (VALUES[usize::from(text[2 * at])], VALUES[usize::from(text[2 * at + 1])]);
        bytes[at] = high << 4 | low & 15;
        all |= high | low;
    }
    (all < 16).then_some(bytes)
}

/// What each character is as a digit; more than 15 if it is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The most members that a `tracestate` may have.
const MAX_MEMBERS: usize = 32;

/// Reads a `tracestate`. What the SDK's own way to read it takes, and the standard has discarded, is a member too many, a key
/// twice, a key without characters, and characters that cannot be printed.
fn read_state(text: &str) -> Option<TraceState> {
    if !text.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
        return None;
    }
    let mut members = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue; // as the standard says
        }
        let (key, value) = member.split_once('=')?;
        if key.is_empty() || members.len() == MAX_MEMBERS || members.iter().any(|(other, _)| *other == key) {
            return None;
        }
        members.push((key, value));
    }
    TraceState::from_key_value(members).ok()
}

#[cfg(test)]
mod tests;
