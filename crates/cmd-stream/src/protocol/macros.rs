//! `protocol!`, which turns a list of tags and types into implementations of the traits of
//! [`protocol`](crate::protocol).
//!
//! The expansion must mean the same whatever a user calls a type. Therefore it uses full paths everywhere, for
//! primitive types too, and its own names (type parameters, arguments, local variables, items) are `__cmd_stream_*` or
//! `__CmdStream*`.

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
///         failure CalcError
///     }
/// }
/// ```
///
/// - Tags are integer literals from 0. Commands and Replies are numbered separately. The Go library's JSON and Protobuf codecs
///   number types by their order of registration, from 0.
/// - `-> Sum` states the Reply of a Command, and implements [`Command`](crate::Command) for it. `-> ()` makes it
///   one-way. A type that implements `Command` already is listed without an arrow: a generic one, or one that has its
///   arrow in another Protocol.
/// - `as` names an entry whose type is a path or generic: `5 => shop::Add as Add -> Sum`.
/// - `enum NAME { VARIANT(REPLY), .. }` states which Replies the variants of your enum hold. Such an enum follows the
///   arrow of a Command that is answered with several types. `From` is implemented for each variant, so the types must
///   be in scope under the names of their entries. `use enum NAME { .. }` does the same without `From`, for a second
///   Protocol over the same types.
/// - Every Protocol states what happens when a Command fails. `failure NAME` answers with one of the Replies, whose
///   type is a [`Failure`](crate::Failure). Its entry must be a plain name, so bring the type into scope under that
///   name. `failure close_connection` closes the connection, as the Go library does. The failure in types such as
///   [`CallError`](crate::CallError) is then [`Infallible`](std::convert::Infallible), which has no values.
///
/// The macro defines the unit struct `Calculator`, the enum `CalculatorCommand<'_>` of references to its Commands
/// (which an [`Invoker`](crate::Invoker) sees), and the enum `CalculatorReply` of its Replies. The enums are [`Debug`]
/// if all their types are. It takes no names but these three.
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

/// Reads what follows the two lists: enums of several Replies, then the failure.
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
    ([$head:tt { $($commands:tt)+ } { $($replies:tt)+ }] $choices:tt failure $failure:ident) => {
        $crate::__protocol_entries! {
            [$head $choices { $failure }] commands [] $($commands)+ ; replies [] $($replies)+ ;
        }
    };
    ([$head:tt { $($commands:tt)+ } { $($replies:tt)+ }] $choices:tt) => {
        // Expand the rest all the same, so that this is the only error.
        $crate::__protocol_entries! {
            [$head $choices { close_connection }] commands [] $($commands)+ ; replies [] $($replies)+ ;
        }
        ::core::compile_error!(
            "state what happens when a Command fails: `failure CalcError` answers it with that Reply, \
             `failure close_connection` closes its connection, as the Go library does"
        );
    };
    ($rest:tt $choices:tt $($other:tt)*) => {
        ::core::compile_error!(
            "after `replies` a Protocol takes any number of `enum Said { Variant(Reply), .. }` (or `use enum`), then \
             `failure CalcError` or `failure close_connection`, and nothing else"
        );
    };
}

/// Normalizes each entry to `{ tag name type { reply } }`, where the reply is missing if the type implements `Command`
/// already. Each rule hands the rest on to the macro again, so plain entries are taken eight at a time: otherwise a
/// Protocol with hundreds of types would exceed the recursion limit.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_entries {
    // Both lists are done.
    ($rest:tt replies [$($replies:tt)*] ; commands [$($commands:tt)*] ;) => {
        $crate::__protocol_implement! { $rest [$($commands)*] [$($replies)*] }
    };
    // One list is done. Continue with the other, which swaps them: the rule above sees both done only in this order.
    ($rest:tt commands [$($done:tt)*] ; replies $($more:tt)*) => {
        $crate::__protocol_entries! { $rest replies $($more)* commands [$($done)*] ; }
    };
    // An arrow is followed by a path or `()`. These are matched as tokens because a matched `ty` could not be compared
    // with `()` later.
    ($rest:tt $list:ident [$($done:tt)*]
        $t1:literal => $n1:ident $(-> $($r1:ident)::+)? $(-> ($($u1:tt)*))?,
        $t2:literal => $n2:ident $(-> $($r2:ident)::+)? $(-> ($($u2:tt)*))?,
        $t3:literal => $n3:ident $(-> $($r3:ident)::+)? $(-> ($($u3:tt)*))?,
        $t4:literal => $n4:ident $(-> $($r4:ident)::+)? $(-> ($($u4:tt)*))?,
        $t5:literal => $n5:ident $(-> $($r5:ident)::+)? $(-> ($($u5:tt)*))?,
        $t6:literal => $n6:ident $(-> $($r6:ident)::+)? $(-> ($($u6:tt)*))?,
        $t7:literal => $n7:ident $(-> $($r7:ident)::+)? $(-> ($($u7:tt)*))?,
        $t8:literal => $n8:ident $(-> $($r8:ident)::+)? $(-> ($($u8:tt)*))?,
        $($more:tt)*
    ) => {
        $crate::__protocol_entries! {
            $rest $list [$($done)*
                { $t1 $n1 $n1 { $($($r1)::+)? $(($($u1)*))? } }
                { $t2 $n2 $n2 { $($($r2)::+)? $(($($u2)*))? } }
                { $t3 $n3 $n3 { $($($r3)::+)? $(($($u3)*))? } }
                { $t4 $n4 $n4 { $($($r4)::+)? $(($($u4)*))? } }
                { $t5 $n5 $n5 { $($($r5)::+)? $(($($u5)*))? } }
                { $t6 $n6 $n6 { $($($r6)::+)? $(($($u6)*))? } }
                { $t7 $n7 $n7 { $($($r7)::+)? $(($($u7)*))? } }
                { $t8 $n8 $n8 { $($($r8)::+)? $(($($u8)*))? } }
            ] $($more)*
        }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident $(-> $reply:tt)?, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $($reply)? } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident $(-> $reply:tt)? ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $($reply)? } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident -> $reply:ty, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $reply } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident -> $reply:ty ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name { $reply } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*]
        $t1:literal => $type1:ty as $n1:ident $(-> $($r1:ident)::+)? $(-> ($($u1:tt)*))?,
        $t2:literal => $type2:ty as $n2:ident $(-> $($r2:ident)::+)? $(-> ($($u2:tt)*))?,
        $t3:literal => $type3:ty as $n3:ident $(-> $($r3:ident)::+)? $(-> ($($u3:tt)*))?,
        $t4:literal => $type4:ty as $n4:ident $(-> $($r4:ident)::+)? $(-> ($($u4:tt)*))?,
        $t5:literal => $type5:ty as $n5:ident $(-> $($r5:ident)::+)? $(-> ($($u5:tt)*))?,
        $t6:literal => $type6:ty as $n6:ident $(-> $($r6:ident)::+)? $(-> ($($u6:tt)*))?,
        $t7:literal => $type7:ty as $n7:ident $(-> $($r7:ident)::+)? $(-> ($($u7:tt)*))?,
        $t8:literal => $type8:ty as $n8:ident $(-> $($r8:ident)::+)? $(-> ($($u8:tt)*))?,
        $($more:tt)*
    ) => {
        $crate::__protocol_entries! {
            $rest $list [$($done)*
                { $t1 $n1 $type1 { $($($r1)::+)? $(($($u1)*))? } }
                { $t2 $n2 $type2 { $($($r2)::+)? $(($($u2)*))? } }
                { $t3 $n3 $type3 { $($($r3)::+)? $(($($u3)*))? } }
                { $t4 $n4 $type4 { $($($r4)::+)? $(($($u4)*))? } }
                { $t5 $n5 $type5 { $($($r5)::+)? $(($($u5)*))? } }
                { $t6 $n6 $type6 { $($($r6)::+)? $(($($u6)*))? } }
                { $t7 $n7 $type7 { $($($r7)::+)? $(($($u7)*))? } }
                { $t8 $n8 $type8 { $($($r8)::+)? $(($($u8)*))? } }
            ] $($more)*
        }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident $(-> $reply:tt)?, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $($reply)? } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident $(-> $reply:tt)? ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $($reply)? } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident -> $reply:ty, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $reply } }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident -> $reply:ty ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type { $reply } }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $($other:tt)*) => {
        ::core::compile_error!(
            "an entry of a Protocol is `TAG => Type`, or `TAG => path::Type<..> as Name` if the type is not a plain name; \
             after a Command comes `-> Reply`, or `-> ()` if it is one-way, unless it implements `Command` itself"
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_implement {
    (
        [
            { $(#[$attribute:meta])* $visibility:vis struct $name:ident }
            [$( { $choice:ident $( $variant:ident $choice_reply:ident )+ } )*]
            $failure:tt
        ]
        [$( { $command_tag:literal $command_name:ident $command:ty { $($said:tt)* } } )+]
        [$( { $reply_tag:literal $reply_name:ident $reply:ty {} } )+]
    ) => { $crate::__private::paste! {
        $(#[$attribute])*
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::cmp::PartialEq, ::core::cmp::Eq, ::core::fmt::Debug,
            ::core::default::Default,
        )]
        $visibility struct $name;

        #[doc = "A reference to a Command of [`" $name "`]."]
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        $visibility enum [<$name Command>]<'a> {
            $( #[doc = ::core::concat!("The Command with tag ", $command_tag, ".")] $command_name(&'a $command), )+
        }

        // Without `for<'x>`, a bound that does not hold would be an error here. With it, the `impl` just does not
        // apply.
        impl ::core::fmt::Debug for [<$name Command>]<'_> where $( for<'x> $command: ::core::fmt::Debug, )+ {
            fn fmt(&self, __cmd_stream_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { $(
                    Self::$command_name(__cmd_stream_command) => {
                        ::core::fmt::Debug::fmt(__cmd_stream_command, __cmd_stream_f)
                    }
                )+ }
            }
        }

        #[doc = "A Reply of [`" $name "`]."]
        $visibility enum [<$name Reply>] {
            $( #[doc = ::core::concat!("The Reply with tag ", $reply_tag, ".")] $reply_name($reply), )+
        }

        impl ::core::fmt::Debug for [<$name Reply>] where $( for<'x> $reply: ::core::fmt::Debug, )+ {
            fn fmt(&self, __cmd_stream_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { $(
                    Self::$reply_name(__cmd_stream_reply) => {
                        ::core::fmt::Debug::fmt(__cmd_stream_reply, __cmd_stream_f)
                    }
                )+ }
            }
        }

        $( $crate::__protocol_command! { $command, { $($said)* } } )+

        const _: () = {
            $crate::__private::assert_tags(<$name as $crate::protocol::Protocol>::COMMANDS);
            $crate::__private::assert_tags(<$name as $crate::protocol::Protocol>::REPLIES);
            $( $crate::__private::assert_kind::<$name, $command>(); )+

            #[repr(usize)]
            #[allow(clippy::enum_variant_names, reason = "the names are the user's")]
            enum __CmdStreamIndex { $( $command_name ),+ }

            impl $crate::protocol::Protocol for $name {
                const NAME: &'static ::core::primitive::str = ::core::stringify!($name);
                const COMMANDS: &'static [$crate::protocol::Entry] = &[
                    $( $crate::protocol::Entry::new(
                        $crate::proto::Tag::new($command_tag),
                        ::core::stringify!($command_name),
                    ) ),+
                ];
                const REPLIES: &'static [$crate::protocol::Entry] = &[
                    $( $crate::protocol::Entry::new(
                        $crate::proto::Tag::new($reply_tag),
                        ::core::stringify!($reply_name),
                    ) ),+
                ];

                type CommandRef<'a> = [<$name Command>]<'a>;
                type Reply = [<$name Reply>];

                fn is_last(__cmd_stream_reply: &Self::Reply) -> ::core::primitive::bool {
                    #[allow(unused_imports, reason = "which of the two is used depends on the types")]
                    use $crate::__private::{IsAlwaysLast as _, SaysWhichIsLast as _};

                    Self::is_failure(__cmd_stream_reply)
                        || match __cmd_stream_reply { $(
                            [<$name Reply>]::$reply_name(__cmd_stream_reply) => {
                                (&$crate::__private::Last(__cmd_stream_reply)).__cmd_stream_is_last()
                            }
                        )+ }
                }

                $crate::__protocol_failure! { [<$name Reply>] $failure }
            }

            $(
                impl $crate::protocol::CommandOf<$name> for $command {
                    const TAG: $crate::proto::Tag = $crate::proto::Tag::new($command_tag);
                    const INDEX: ::core::primitive::usize =
                        __CmdStreamIndex::$command_name as ::core::primitive::usize;

                    fn as_command(&self) -> [<$name Command>]<'_> {
                        [<$name Command>]::$command_name(self)
                    }
                }
            )+

            $(
                impl $crate::protocol::ReplyOf<$name> for $reply {
                    const TAGS: &'static [$crate::proto::Tag] = &[$crate::proto::Tag::new($reply_tag)];

                    fn into_reply(self) -> ::core::option::Option<[<$name Reply>]> {
                        ::core::option::Option::Some([<$name Reply>]::$reply_name(self))
                    }

                    #[allow(unreachable_patterns, reason = "there may be only one Reply")]
                    fn from_reply(
                        __cmd_stream_reply: [<$name Reply>],
                    ) -> ::core::result::Result<Self, [<$name Reply>]> {
                        match __cmd_stream_reply {
                            [<$name Reply>]::$reply_name(__cmd_stream_reply) => {
                                ::core::result::Result::Ok(__cmd_stream_reply)
                            }
                            __cmd_stream_other => ::core::result::Result::Err(__cmd_stream_other),
                        }
                    }

                    fn includes(__cmd_stream_reply: &[<$name Reply>]) -> ::core::primitive::bool {
                        ::core::matches!(__cmd_stream_reply, [<$name Reply>]::$reply_name(_))
                    }
                }
            )+

            $(
                impl $crate::protocol::ReplyOf<$name> for $choice {
                    const TAGS: &'static [$crate::proto::Tag] =
                        &[$( $crate::__private::tag_of::<$name>(::core::stringify!($choice_reply)) ),+];

                    fn into_reply(self) -> ::core::option::Option<[<$name Reply>]> {
                        ::core::option::Option::Some(match self { $(
                            $choice::$variant(__cmd_stream_reply) => {
                                [<$name Reply>]::$choice_reply(__cmd_stream_reply)
                            }
                        )+ })
                    }

                    #[allow(unreachable_patterns, reason = "it may have all Replies")]
                    fn from_reply(
                        __cmd_stream_reply: [<$name Reply>],
                    ) -> ::core::result::Result<Self, [<$name Reply>]> {
                        match __cmd_stream_reply {
                            $( [<$name Reply>]::$choice_reply(__cmd_stream_reply) => {
                                ::core::result::Result::Ok($choice::$variant(__cmd_stream_reply))
                            } )+
                            __cmd_stream_other => ::core::result::Result::Err(__cmd_stream_other),
                        }
                    }

                    fn includes(__cmd_stream_reply: &[<$name Reply>]) -> ::core::primitive::bool {
                        ::core::matches!(__cmd_stream_reply, $( [<$name Reply>]::$choice_reply(_) )|+)
                    }
                }
            )*

            impl<__CmdStreamF> $crate::protocol::ClientProtocol<__CmdStreamF> for $name
            where
                __CmdStreamF: $crate::format::Format $( + $crate::format::Decode<$reply> )+,
            {
                fn decode_reply(
                    __cmd_stream_format: &__CmdStreamF,
                    __cmd_stream_tag: $crate::proto::Tag,
                    __cmd_stream_body: &[::core::primitive::u8],
                    __cmd_stream_progress: &mut __CmdStreamF::Progress,
                ) -> $crate::proto::Decoded<[<$name Reply>]> {
                    match __cmd_stream_tag.get() {
                        $( $reply_tag => {
                            <__CmdStreamF as $crate::format::Decode<$reply>>::decode(
                                __cmd_stream_format,
                                __cmd_stream_body,
                                __cmd_stream_progress,
                            )
                            .map([<$name Reply>]::$reply_name)
                        } )+
                        _ => $crate::proto::Decoded::invalid($crate::proto::Fault::UnknownTag(__cmd_stream_tag), 0),
                    }
                }
            }

            impl<__CmdStreamF> $crate::protocol::ServedIn<__CmdStreamF> for $name
            where
                __CmdStreamF: $crate::format::Format
                    $( + $crate::format::Decode<$command> )+ $( + $crate::format::Encode<$reply> )+,
            {
                fn read_command<__CmdStreamT>(
                    __cmd_stream_format: &__CmdStreamF,
                    __cmd_stream_tag: $crate::proto::Tag,
                    __cmd_stream_body: &[::core::primitive::u8],
                    __cmd_stream_progress: &mut __CmdStreamF::Progress,
                    __cmd_stream_then: impl ::core::ops::FnOnce([<$name Command>]<'_>) -> __CmdStreamT,
                ) -> $crate::proto::Decoded<__CmdStreamT> {
                    match __cmd_stream_tag.get() {
                        $( $command_tag => {
                            <__CmdStreamF as $crate::format::Decode<$command>>::decode(
                                __cmd_stream_format,
                                __cmd_stream_body,
                                __cmd_stream_progress,
                            )
                            .map(|__cmd_stream_command| {
                                __cmd_stream_then([<$name Command>]::$command_name(&__cmd_stream_command))
                            })
                        } )+
                        _ => $crate::proto::Decoded::invalid($crate::proto::Fault::UnknownTag(__cmd_stream_tag), 0),
                    }
                }

                fn encode_reply(
                    __cmd_stream_format: &__CmdStreamF,
                    __cmd_stream_reply: &[<$name Reply>],
                    __cmd_stream_out: &mut ::std::vec::Vec<::core::primitive::u8>,
                ) -> ::core::result::Result<(), $crate::format::EncodeError> {
                    match __cmd_stream_reply { $(
                        [<$name Reply>]::$reply_name(__cmd_stream_reply) => {
                            __cmd_stream_format.encode_tag($crate::proto::Tag::new($reply_tag), __cmd_stream_out);
                            <__CmdStreamF as $crate::format::Encode<$reply>>::encode(
                                __cmd_stream_format,
                                __cmd_stream_reply,
                                __cmd_stream_out,
                            )
                        }
                    )+ }
                }
            }

            impl<__CmdStreamF, __CmdStreamR> $crate::server::ServerProtocol<__CmdStreamF, __CmdStreamR> for $name
            where
                __CmdStreamF: $crate::format::Format
                    $( + $crate::format::Decode<$command> )+ $( + $crate::format::Encode<$reply> )+,
                $( $command: $crate::server::Execute<__CmdStreamR>, )+
            {
                fn decode_command<__CmdStreamV: $crate::server::CommandVisitor<Self, __CmdStreamR>>(
                    __cmd_stream_format: &__CmdStreamF,
                    __cmd_stream_tag: $crate::proto::Tag,
                    __cmd_stream_body: &[::core::primitive::u8],
                    __cmd_stream_progress: &mut __CmdStreamF::Progress,
                    __cmd_stream_visitor: __CmdStreamV,
                ) -> $crate::proto::Decoded<__CmdStreamV::Output> {
                    match __cmd_stream_tag.get() {
                        $( $command_tag => match <__CmdStreamF as $crate::format::Decode<$command>>::decode(
                            __cmd_stream_format,
                            __cmd_stream_body,
                            __cmd_stream_progress,
                        ) {
                            $crate::proto::Decoded::Value(__cmd_stream_command, __cmd_stream_len) => {
                                $crate::proto::Decoded::Value(
                                    __cmd_stream_visitor.visit(__cmd_stream_command, __cmd_stream_len),
                                    __cmd_stream_len,
                                )
                            }
                            $crate::proto::Decoded::Incomplete(__cmd_stream_missing) => {
                                $crate::proto::Decoded::Incomplete(__cmd_stream_missing)
                            }
                            $crate::proto::Decoded::Invalid(__cmd_stream_error) => {
                                $crate::proto::Decoded::Invalid(__cmd_stream_error)
                            }
                        }, )+
                        _ => $crate::proto::Decoded::invalid($crate::proto::Fault::UnknownTag(__cmd_stream_tag), 0),
                    }
                }
            }

            impl<__CmdStreamF> $crate::protocol::DescribedBy<__CmdStreamF> for $name
            where
                __CmdStreamF: $crate::format::Format
                    $( + $crate::format::Describe<$command> )+ $( + $crate::format::Describe<$reply> )+,
            {
                fn describe(__cmd_stream_out: &mut ::std::vec::Vec<::std::string::String>) {
                    $( __cmd_stream_out.push(
                        $crate::__private::describe_command::<Self, __CmdStreamF, $command>(),
                    ); )+
                    $( __cmd_stream_out.push(<__CmdStreamF as $crate::format::Describe<$reply>>::describe()); )+
                }
            }
        };
    } };
    ($rest:tt $commands:tt $replies:tt) => {
        ::core::compile_error!("only a Command takes `-> Reply`: in `replies` an entry is `TAG => Type`");
    };
}

/// Implements `Command` if the entry states the Reply.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_command {
    ($command:ty, {}) => {};
    ($command:ty, { () }) => {
        impl $crate::protocol::Command for $command {
            type Reply = ();
            type Kind = $crate::protocol::kind::OneWay;
        }
    };
    ($command:ty, { $reply:ty }) => {
        impl $crate::protocol::Command for $command {
            type Reply = $reply;
            type Kind = $crate::protocol::kind::Plain;
        }
    };
}

/// Implements the items of `Protocol` that concern its failure.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_failure {
    ($replies:ident { close_connection }) => {
        const FAILURE: ::core::option::Option<&'static ::core::primitive::str> = ::core::option::Option::None;

        type Failure = ::core::convert::Infallible;

        fn failure_reply(
            __cmd_stream_failed: $crate::protocol::Failed,
        ) -> ::core::result::Result<$replies, $crate::protocol::Failed> {
            ::core::result::Result::Err(__cmd_stream_failed)
        }

        fn as_failure(__cmd_stream_reply: $replies) -> ::core::result::Result<Self::Failure, $replies> {
            ::core::result::Result::Err(__cmd_stream_reply)
        }

        fn is_failure(_: &$replies) -> ::core::primitive::bool {
            false
        }
    };
    ($replies:ident { $failure:ident }) => {
        const FAILURE: ::core::option::Option<&'static ::core::primitive::str> =
            ::core::option::Option::Some(::core::stringify!($failure));

        type Failure = $failure;

        fn failure_reply(
            __cmd_stream_failed: $crate::protocol::Failed,
        ) -> ::core::result::Result<$replies, $crate::protocol::Failed> {
            ::core::result::Result::Ok($replies::$failure(__cmd_stream_failed.into_failure()))
        }

        #[allow(unreachable_patterns, reason = "it may be the only Reply")]
        fn as_failure(__cmd_stream_reply: $replies) -> ::core::result::Result<Self::Failure, $replies> {
            match __cmd_stream_reply {
                $replies::$failure(__cmd_stream_failure) => ::core::result::Result::Ok(__cmd_stream_failure),
                __cmd_stream_other => ::core::result::Result::Err(__cmd_stream_other),
            }
        }

        fn is_failure(__cmd_stream_reply: &$replies) -> ::core::primitive::bool {
            ::core::matches!(__cmd_stream_reply, $replies::$failure(_))
        }
    };
}
