use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;

use super::*;

/// The example of the standard.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn context(flags: u8, state: &str) -> SpanContext {
    SpanContext::new(
        TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        SpanId::from(0x00f0_67aa_0ba9_02b7),
        TraceFlags::new(flags),
        true,
        state.parse().expect("it is valid"),
    )
}

#[test]
fn golden_values() {
    for (text, flags) in [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 1),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 0),
    ] {
        assert_eq!(&write(&context(flags, "")), text);
        assert_eq!(read(text, None), Some(context(flags, "")));
    }
}

#[test]
fn it_is_what_the_sdk_writes() {
    let propagator = TraceContextPropagator::new();
    for context in [context(1, ""), context(0, ""), context(0xff, ""), context(2, "")] {
        let mut carrier = HashMap::new();
        propagator.inject_context(&Context::new().with_remote_span_context(context.clone()), &mut carrier);
        assert_eq!(&write(&context), carrier[TRACEPARENT].as_str());
    }
}

#[test]
fn flags_that_are_not_known_are_not_taken() {
    for (flags, expected) in [("03", 1), ("ff", 1), ("02", 0), ("fe", 0)] {
        assert_eq!(read(&format!("00-{TRACE}-{SPAN}-{flags}"), None), Some(context(expected, "")), "{flags}");
    }
}

#[test]
fn of_a_version_to_come_the_known_fields_are_read() {
    for version in ["01", "cc", "fe"] {
        for rest in ["", "-", "-what-comes", "-ÄÖ"] {
            let text = format!("{version}-{TRACE}-{SPAN}-09{rest}");
            assert_eq!(read(&text, None), Some(context(1, "")), "{text}");
        }
        for rest in [".", "0", "00", "x-"] {
            let text = format!("{version}-{TRACE}-{SPAN}-01{rest}");
            assert_eq!(read(&text, None), None, "{text}");
        }
    }
}

#[test]
fn what_is_not_valid_is_refused() {
    let zeros = ("0".repeat(32), "0".repeat(16));
    let upper = (TRACE.to_uppercase(), SPAN.to_uppercase());
    for text in [
        String::new(),
        "-".repeat(LEN),
        "0".repeat(LEN),
        "é".repeat(LEN),
        format!("00-{TRACE}-{SPAN}-0"),
        format!("00-{TRACE}-{SPAN}-011"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-what-comes"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01-"),
        format!("FE-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-001"),
        format!("0x-{TRACE}-{SPAN}-01"),
        format!("+0-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", upper.0),
        format!("00-{TRACE}-{}-01", upper.1),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{}-{SPAN}-01", zeros.0),
        format!("00-{TRACE}-{}-01", zeros.1),
        format!("00-{}g-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{}g-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}-+1"),
        format!("00-{TRACE}-{SPAN}-0g"),
        format!("00_{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}_{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}_01"),
        format!("00-{}-{SPAN}1-01", &TRACE[1..]),
    ] {
        assert_eq!(read(&text, None), None, "{text:?}");
        assert_eq!(read(&text, Some("a=b")), None, "{text:?}");
    }
}

fn state_of(text: &str) -> String {
    let read = read(&format!("00-{TRACE}-{SPAN}-01"), Some(text));
    read.expect("a tracestate does not make it invalid").trace_state().header()
}

#[test]
fn a_state_is_read_as_the_standard_says() {
    for (text, expected) in [
        ("", ""),
        (",, ,", ""),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (" a=1 ,\tb=2\t", "a=1,b=2"),
        ("a=1,,b=2,", "a=1,b=2"),
        ("0tenant@system=x", "0tenant@system=x"),
        // None of these is taken, not even in part.
        ("a=1,b", ""),
        ("a=1,b=2=3", ""),
        ("A=1", ""),
        ("a b=1", ""),
        ("=1", ""),
        ("a=1,a=2", ""),
        ("a=1,b=ü", ""),
        ("a=1,b=\u{7f}", ""),
        ("a=1\n", ""),
    ] {
        assert_eq!(state_of(text), expected, "{text:?}");
    }
}

#[test]
fn a_state_has_up_to_32_members_with_keys_and_values_of_256_characters() {
    let members = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(state_of(&members(32)), members(32));
    assert_eq!(state_of(&members(33)), "");
    let with_empty = format!(",,{},,", members(32));
    assert_eq!(state_of(&with_empty), members(32));
    for (len, is_read) in [(256, true), (257, false)] {
        let (key, value) = (format!("{}=1", "k".repeat(len)), format!("k={}", "v".repeat(len)));
        assert_eq!(
            [state_of(&key), state_of(&value)],
            if is_read { [key, value] } else { Default::default() }
        );
    }
}
