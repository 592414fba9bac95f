//! `protocol!`, which turns a list of tags and types into implementations of the traits of
//! [`protocol`](mod@crate::protocol).
//!
//! The expansion must mean the same whatever a user calls a type. Therefore it uses full paths everywhere, for
//! primitive types too, and its own names (type parameters, arguments, local variables, items) are `__cmd_stream_*` or
//! `__CmdStream*`.

mod entries;
mod implement;
pub mod support;

/// Declares a Protocol: the Commands and Replies of a service, each with its tag on the wire.
///
/// ```
/// # use cmd_stream::{Command, Failure, protocol::kind::Wrapper};
/// # struct Add; struct Sub; struct Ask; struct Note; struct Traced<C>(C);
/// # impl<C: Command> Command for Traced<C> { type Reply = C::Reply; type Kind = Wrapper<C::Kind>; }
/// # struct Sum; struct Count; struct Text;
/// # #[derive(Debug, Failure)] pub struct CalcError { message: String }
/// /// One of two Replies, for a Command that is answered with either.
/// enum Said {
///     Number(Count),
///     Words(Text),
/// }
///
/// cmd_stream::protocol! {
///     /// Arithmetic over the wire.
///     pub struct Calculator {
///         commands {
///             0 => Add -> Sum,
///             1 => Sub -> Sum,
///             2 => Ask -> Said,
///             3 => Note -> (),
///             4 => Traced<Add> as TracedAdd,
///         }
///         replies { 0 => Sum, 1 => Count, 2 => Text, 3 => CalcError }
///         enum Said { Number(Count), Words(Text) }
///         idempotent { Add, Sub }
///         failure CalcError
///     }
/// }
/// ```
///
/// - Tags are integer literals from 0. Commands and Replies are numbered separately. The Go library's JSON and Protobuf codecs
///   number types by their order of registration, from 0.
/// - `-> Sum` states the Reply of a Command, and implements [`Command`](crate::Command) for it. `-> ()` makes it
///   one-way. A type that already implements `Command` is listed without an arrow: a generic one, or one that has its
///   arrow in another Protocol.
/// - `as` names an entry whose type is a path or generic: `5 => shop::Add as Add -> Sum`.
/// - `enum NAME { VARIANT(REPLY), .. }` states which Replies the variants of your enum hold. Write the enum after the
///   arrow of a Command whose Replies have several types. `From` is implemented for each variant, so the types must
///   be in scope under the names of their entries. `use enum NAME { .. }` does the same without `From`, for a second
///   Protocol over the same types.
/// - `idempotent { Add, .. }`, after the enums, lists Commands with an arrow that may be executed twice without harm:
///   [`Command::IDEMPOTENT`](crate::Command::IDEMPOTENT) is true for them. A Command that implements `Command` itself says
///   so there.
/// - Every Protocol states what happens when a Command fails. `failure NAME` answers with one of the Replies, whose
///   type is a [`Failure`](crate::Failure). Its entry must be a plain name, so bring the type into scope under that
///   name. `failure close_connection` closes the connection, as the Go library does. The failure in types such as
///   [`CallError`](crate::CallError) is then [`Infallible`](std::convert::Infallible), which has no values.
///
/// The macro defines the unit struct `Calculator`, the enum `CalculatorCommand<'_>` of references to its Commands
/// (which an [`Invoker`](crate::Invoker) sees), and the enum `CalculatorReply` of its Replies. The enums are [`Debug`]
/// if all their types are. It defines no other names.
#[macro_export]
macro_rules! protocol {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            commands { $($commands:tt)+ }
            replies { $($replies:tt)+ }
            $($clauses:tt)*
        }
    ) => {
        $crate::__protocol_clauses! {
            [{ $(#[$attribute])* $visibility struct $name } { $($commands)+ } { $($replies)+ }] []
            $($clauses)*
        }
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "a Protocol is declared as: `pub struct Name { commands { 0 => Add -> Sum, .. } replies { 0 => Sum, .. } \
             failure .. }`"
        );
    };
}

/// Reads what follows the two lists: enums of several Replies, idempotent Commands, then the failure.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_clauses {
    ($rest:tt [$($choices:tt)*]
        enum $choice:ident { $( $variant:ident ( $reply:ident ) ),+ $(,)? } $($more:tt)*
    ) => {
        $crate::__protocol_clauses! { $rest [$($choices)* { $choice $( $variant $reply )+ }] $($more)* }
        $(
            impl ::core::convert::From<$reply> for $choice {
                fn from(__cmd_stream_reply: $reply) -> Self {
                    Self::$variant(__cmd_stream_reply)
                }
            }
        )+
    };
    ($rest:tt [$($choices:tt)*]
        use enum $choice:ident { $( $variant:ident ( $reply:ident ) ),+ $(,)? } $($more:tt)*
    ) => {
        $crate::__protocol_clauses! { $rest [$($choices)* { $choice $( $variant $reply )+ }] $($more)* }
    };
    ([$head:tt $commands:tt $replies:tt] $choices:tt
        idempotent { $( $idempotent:ident ),+ $(,)? } $($more:tt)*
    ) => {
        $crate::__protocol_clauses! { [$head $commands $replies { $($idempotent)+ }] $choices $($more)* }
    };
    ([$head:tt { $($commands:tt)+ } { $($replies:tt)+ } $({ $($idempotent:ident)+ })?] $choices:tt
        failure $failure:ident
    ) => {
        $crate::__protocol_entries! {
            [$head $choices { $failure } { $($( { $idempotent $idempotent } )+)? }]
            commands [] $($commands)+ ; replies [] $($replies)+ ;
        }
    };
    ([$head:tt { $($commands:tt)+ } { $($replies:tt)+ } $({ $($idempotent:ident)+ })?] $choices:tt) => {
        // Expand the rest all the same, so that this is the only error.
        $crate::__protocol_entries! {
            [$head $choices { close_connection } { $($( { $idempotent $idempotent } )+)? }]
            commands [] $($commands)+ ; replies [] $($replies)+ ;
        }
        ::core::compile_error!(
            "state what happens when a Command fails: `failure CalcError` answers it with that Reply, \
             `failure close_connection` closes its connection, as the Go library does"
        );
    };
    ($rest:tt $choices:tt $($other:tt)*) => {
        ::core::compile_error!(
            "after `replies` a Protocol takes any number of `enum Said { Variant(Reply), .. }` (or `use enum`), once \
             `idempotent { Command, .. }` if it has such, then `failure CalcError` or `failure close_connection`, and \
             nothing else"
        );
    };
}
