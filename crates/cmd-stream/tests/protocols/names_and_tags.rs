//! The names and tags of a Protocol, and the traits of the generated types.

use crate::{Add, CALC, Calculator, CalculatorCommand, CalculatorReply, Either, Sum, Traced};
use cmd_stream::proto::Tag;
use cmd_stream::protocol::Protocol;
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::{Json, Server, protocol};
use testkit::ends::{json_frame, server_and_bytes};

#[tokio::test(start_paused = true)]
async fn tags_stand_on_the_wire_as_declared() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Calculator, Json, CALC)).await;
    peer.send(&json_frame(1, 300, r#"{"whole":true}"#)).await;
    peer.expect(&json_frame(1, 7, r#"{"value":1,"more":false}"#)).await;
    peer.send(&json_frame(
        2,
        0x20,
        r#"{"trace":1,"command":{"trace":2,"command":{"a":5,"b":2,"both":false}}}"#,
    ))
    .await;
    peer.expect(&json_frame(2, 3, "2.5")).await;
    peer.send(&json_frame(3, 2, r#"{"trace":1,"command":{"a":1000,"b":2}}"#)).await;
    peer.expect(&json_frame(3, 1000, r#""too much""#)).await;
}

#[test]
fn a_protocol_lists_its_names_and_tags() {
    let entry = |tag, name| Entry::new(Tag::new(tag), name);
    let commands = [
        entry(0, "Add"),
        entry(1, "Divide"),
        entry(2, "TracedAdd"),
        entry(0x20, "TwiceTracedDivide"),
        entry(300, "Either"),
    ];
    assert_eq!(Calculator::COMMANDS, commands);
    assert_eq!(
        Calculator::REPLIES,
        [entry(0, "Sum"), entry(7, "Whole"), entry(3, "Fraction"), entry(1000, "CalcError")]
    );
    assert_eq!((Calculator::NAME, Calculator::FAILURE), ("Calculator", Some("CalcError")));
    assert_eq!(Printable::FAILURE, None);
    assert_eq!(<Either as CommandOf<Calculator>>::TAG, Tag::new(300));
    assert_eq!(<Either as CommandOf<Calculator>>::INDEX, 4);
    assert_eq!(<Traced<Add> as CommandOf<Calculator>>::TAG, Tag::new(2));
}

#[test]
fn a_protocol_is_a_value_with_the_derives_that_were_asked_for() {
    fn is_hash<T: std::hash::Hash + Ord + Copy + Default + std::fmt::Debug>(_: T) {}
    is_hash(Calculator);
    assert_eq!(Calculator, Default::default());
    assert_eq!(format!("{Calculator:?}"), "Calculator");
}

protocol! {
    struct Printable {
        commands { 0 => Add, 1 => Traced<Add> as TracedAdd }
        replies { 0 => Sum }
        failure close_connection
    }
}

#[test]
fn the_enums_are_debug_where_all_their_types_are() {
    let command = Traced { trace: 1, command: Add { a: 2, b: 3 } };
    assert_eq!(format!("{:?}", PrintableCommand::TracedAdd(&command)), format!("{command:?}"));
    assert_eq!(format!("{:?}", PrintableCommand::Add(&command.command)), "Add { a: 2, b: 3 }");
    assert_eq!(format!("{:?}", PrintableReply::Sum(Sum(5))), "Sum(5)");
    assert_eq!(format!("{:?}", CommandOf::<Printable>::as_command(&command)), format!("{command:?}"));
}

/// Tells whether a type is `Debug`: an inherent method takes precedence over the method of a trait.
struct Probe<T>(std::marker::PhantomData<T>);

impl<T: std::fmt::Debug> Probe<T> {
    fn is_debug(&self) -> bool {
        true
    }
}

trait IsNot {
    fn is_debug(&self) -> bool {
        false
    }
}

impl<T> IsNot for Probe<T> {}

#[test]
fn the_enums_are_not_debug_where_a_type_is_not() {
    // `Divide` and `Either` are not `Debug`; all Replies are.
    assert!(!Probe::<CalculatorCommand<'_>>(std::marker::PhantomData).is_debug());
    assert!(Probe::<CalculatorReply>(std::marker::PhantomData).is_debug());
    assert!(Probe::<PrintableCommand<'_>>(std::marker::PhantomData).is_debug());
}

#[test]
fn commands_are_idempotent_that_are_listed_as_such() {
    use cmd_stream::Command;

    struct Get;
    struct Put;
    struct Touch;
    struct Value;
    cmd_stream::protocol! {
        struct Store {
            commands { 0 => Get -> Value, 1 => Put -> Value, 2 => Touch as Renamed -> () }
            replies { 0 => Value }
            idempotent { Get, Renamed }
            failure close_connection
        }
    }
    assert_eq!((Get::IDEMPOTENT, Put::IDEMPOTENT, Touch::IDEMPOTENT), (true, false, true));
}
