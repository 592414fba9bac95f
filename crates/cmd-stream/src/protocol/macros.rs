//! `protocol!`: from a list of tags and types to the implementations of the traits beside it.

/// Declares a Protocol: the Commands and Replies of a service, each with its tag on the wire.
///
/// ```
/// # use cmd_stream::{Command, Reply, Failure, Failed};
/// # struct Add; struct Sub; struct Ask; struct Traced<C>(C);
/// # impl Command for Add { type Reply = Sum; }
/// # impl Command for Sub { type Reply = Sum; }
/// # impl Command for Ask { type Reply = Answer; }
/// # impl<C: Command> Command for Traced<C> { type Reply = C::Reply; }
/// # struct Sum; struct Count; struct Text;
/// # impl Reply for Sum {} impl Reply for Count {} impl Reply for Text {}
/// # #[derive(Debug)] pub struct CalcError;
/// # impl std::fmt::Display for CalcError { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
/// # impl std::error::Error for CalcError {} impl Reply for CalcError {}
/// # impl Failure for CalcError { fn from_failed(_: &Failed) -> Self { CalcError } }
/// /// An enum over two of the Replies, for a Command that answers with either.
/// enum Answer {
///     Number(Count),
///     Words(Text),
/// }
///
/// cmd_stream::protocol! {
///     /// Arithmetic over the wire.
///     pub struct Calculator {
///         commands {
///             0 => Add,
///             1 => Sub,
///             2 => Ask,
///             3 => Traced<Add> as TracedAdd,
///         }
///         replies { 0 => Sum, 1 => Count, 2 => Text, 3 => CalcError }
///         enum Answer { Number(Count), Words(Text) }
///         failure CalcError
///     }
/// }
/// ```
///
/// - Tags are integers from 0. Commands and Replies are numbered separately. The Go library's JSON and Protobuf codecs
///   number types by their order of registration, from 0.
/// - An entry whose type is not a plain name, because it is generic or a path, is given one with `as`.
/// - `enum NAME { VARIANT(REPLY), .. }` says which Replies the variants of your enum are; such an enum is the
///   [`Command::Reply`](crate::Command::Reply) of a Command that answers with several types. There may be any number
///   of them.
/// - `failure NAME` declares one of the Replies as the [`Failure`](crate::Failure). Its entry is a plain name: bring the
///   type into scope with `use`, under that name.
///
/// It makes the unit struct `Calculator`, the enum `CalculatorCommand<'_>` of references to its Commands (what an
/// [`Invoker`](crate::Invoker) sees) and the enum `CalculatorReply` of its Replies. Both are [`Debug`] where all their
/// types are.
#[macro_export]
macro_rules! protocol {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            commands { $($commands:tt)+ }
            replies { $($replies:tt)+ }
            $( enum $choice:ident { $( $variant:ident ( $choice_reply:ident ) ),+ $(,)? } )*
            $( failure $failure:ident )?
        }
    ) => {
        $crate::__protocol_entries! {
            [
                { $(#[$attribute])* $visibility struct $name }
                { $( $choice { $( $variant $choice_reply )+ } )* }
                { $( $failure )? }
            ]
            commands [] $($commands)+ ; replies [] $($replies)+ ;
        }
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "a Protocol is declared as: `pub struct Name { commands { 0 => Add, .. } replies { 0 => Sum, .. } }`, \
             then any `enum Answer { Variant(Reply), .. }`, then at most one `failure CalcError`"
        );
    };
}

/// Brings each entry into the form `{ tag name type }`. Eight plain ones are taken at a time, so that a Protocol of
/// hundreds of types stays under the recursion limit of macros.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_entries {
    // Both lists are done.
    ($rest:tt replies [$($replies:tt)*] ; commands [$($commands:tt)*] ;) => {
        $crate::__protocol_implement! { $rest [$($commands)*] [$($replies)*] }
    };
    // One list is done: go on with the other, in the order of the pattern above.
    ($rest:tt commands [$($done:tt)*] ; replies $($more:tt)*) => {
        $crate::__protocol_entries! { $rest replies $($more)* commands [$($done)*] ; }
    };
    ($rest:tt $list:ident [$($done:tt)*]
        $t1:literal => $n1:ident, $t2:literal => $n2:ident, $t3:literal => $n3:ident, $t4:literal => $n4:ident,
        $t5:literal => $n5:ident, $t6:literal => $n6:ident, $t7:literal => $n7:ident, $t8:literal => $n8:ident,
        $($more:tt)*
    ) => {
        $crate::__protocol_entries! {
            $rest $list [$($done)*
                { $t1 $n1 $n1 } { $t2 $n2 $n2 } { $t3 $n3 $n3 } { $t4 $n4 $n4 }
                { $t5 $n5 $n5 } { $t6 $n6 $n6 } { $t7 $n7 $n7 } { $t8 $n8 $n8 }
            ] $($more)*
        }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $name:ident ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $name }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*]
        $t1:literal => $type1:ty as $n1:ident, $t2:literal => $type2:ty as $n2:ident,
        $t3:literal => $type3:ty as $n3:ident, $t4:literal => $type4:ty as $n4:ident,
        $t5:literal => $type5:ty as $n5:ident, $t6:literal => $type6:ty as $n6:ident,
        $t7:literal => $type7:ty as $n7:ident, $t8:literal => $type8:ty as $n8:ident,
        $($more:tt)*
    ) => {
        $crate::__protocol_entries! {
            $rest $list [$($done)*
                { $t1 $n1 $type1 } { $t2 $n2 $type2 } { $t3 $n3 $type3 } { $t4 $n4 $type4 }
                { $t5 $n5 $type5 } { $t6 $n6 $type6 } { $t7 $n7 $type7 } { $t8 $n8 $type8 }
            ] $($more)*
        }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident, $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type }] $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $tag:literal => $type:ty as $name:ident ; $($more:tt)*) => {
        $crate::__protocol_entries! { $rest $list [$($done)* { $tag $name $type }] ; $($more)* }
    };
    ($rest:tt $list:ident [$($done:tt)*] $($other:tt)*) => {
        ::core::compile_error!(
            "an entry of a Protocol is `TAG => Type`, or `TAG => path::Type<..> as Name` if the type is not a plain name"
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_implement {
    (
        [
            { $(#[$attribute:meta])* $visibility:vis struct $name:ident }
            { $( $choice:ident { $( $variant:ident $choice_reply:ident )+ } )* }
            $failure:tt
        ]
        [$( { $command_tag:literal $command_name:ident $command:ty } )+]
        [$( { $reply_tag:literal $reply_name:ident $reply:ty } )+]
    ) => { $crate::__private::paste! {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        $visibility struct $name;

        #[doc = "A reference to a Command of [`" $name "`]."]
        #[derive(Clone, Copy)]
        $visibility enum [<$name Command>]<'a> {
            $( #[doc = "The Command with tag " $command_tag "."] $command_name(&'a $command), )+
        }

        // The `for<'x>` only keeps a type that is not Debug from being an error here.
        impl ::core::fmt::Debug for [<$name Command>]<'_> where $( for<'x> $command: ::core::fmt::Debug, )+ {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { $( Self::$command_name(command) => ::core::fmt::Debug::fmt(command, f), )+ }
            }
        }

        #[doc = "A Reply of [`" $name "`]."]
        $visibility enum [<$name Reply>] {
            $( #[doc = "The Reply with tag " $reply_tag "."] $reply_name($reply), )+
        }

        impl ::core::fmt::Debug for [<$name Reply>] where $( for<'x> $reply: ::core::fmt::Debug, )+ {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { $( Self::$reply_name(reply) => ::core::fmt::Debug::fmt(reply, f), )+ }
            }
        }

        const _: () = {
            use $crate::__private as __p;

            __p::assert_unique_tags(&<$name as __p::Protocol>::COMMANDS);
            __p::assert_unique_tags(&<$name as __p::Protocol>::REPLIES);

            #[repr(usize)]
            #[allow(clippy::enum_variant_names)]
            enum CommandIndex { $( $command_name ),+ }


            impl __p::Protocol for $name {
                const NAME: &'static str = ::core::stringify!($name);
                const COMMANDS: &'static [__p::Entry] = &[
                    $( __p::Entry {
                        tag: __p::Tag::new($command_tag),
                        name: ::core::stringify!($command_name),
                    } ),+
                ];
                const REPLIES: &'static [__p::Entry] = &[
                    $( __p::Entry {
                        tag: __p::Tag::new($reply_tag),
                        name: ::core::stringify!($reply_name),
                    } ),+
                ];

                type CommandRef<'a> = [<$name Command>]<'a>;
                type Reply = [<$name Reply>];

                fn is_last(reply: &Self::Reply) -> bool {
                    Self::is_failure(reply)
                        || match reply {
                            $( [<$name Reply>]::$reply_name(reply) => __p::Reply::is_last(reply), )+
                        }
                }

                $crate::__protocol_failure! { [<$name Reply>] $failure }
            }

            $(
                impl __p::CommandOf<$name> for $command {
                    const TAG: __p::Tag = __p::Tag::new($command_tag);
                    const INDEX: usize = CommandIndex::$command_name as usize;

                    fn as_command(&self) -> [<$name Command>]<'_> {
                        [<$name Command>]::$command_name(self)
                    }
                }
            )+

            $(
                impl __p::ReplyOf<$name> for $reply {
                    fn into_reply(self) -> [<$name Reply>] {
                        [<$name Reply>]::$reply_name(self)
                    }

                    #[allow(unreachable_patterns)]
                    fn from_reply(reply: [<$name Reply>]) -> ::core::result::Result<Self, [<$name Reply>]> {
                        match reply {
                            [<$name Reply>]::$reply_name(reply) => ::core::result::Result::Ok(reply),
                            other => ::core::result::Result::Err(other),
                        }
                    }

                    fn includes(reply: &[<$name Reply>]) -> bool {
                        ::core::matches!(reply, [<$name Reply>]::$reply_name(_))
                    }
                }
            )+

            $(
                impl __p::ReplyOf<$name> for $choice {
                    fn into_reply(self) -> [<$name Reply>] {
                        match self { $( $choice::$variant(reply) => [<$name Reply>]::$choice_reply(reply), )+ }
                    }

                    #[allow(unreachable_patterns)]
                    fn from_reply(reply: [<$name Reply>]) -> ::core::result::Result<Self, [<$name Reply>]> {
                        match reply {
                            $( [<$name Reply>]::$choice_reply(reply) => {
                                ::core::result::Result::Ok($choice::$variant(reply))
                            } )+
                            other => ::core::result::Result::Err(other),
                        }
                    }

                    fn includes(reply: &[<$name Reply>]) -> bool {
                        ::core::matches!(reply, $( [<$name Reply>]::$choice_reply(_) )|+)
                    }
                }
            )*

            impl<F> __p::ClientProtocol<F> for $name
            where
                F: __p::Format $( + __p::Decode<$reply> )+,
            {
                fn decode_reply(
                    format: &F,
                    tag: __p::Tag,
                    body: &[u8],
                    progress: &mut F::Progress,
                ) -> __p::Decoded<[<$name Reply>]> {
                    match tag.get() {
                        $( $reply_tag => {
                            <F as __p::Decode<$reply>>::decode(format, body, progress).map([<$name Reply>]::$reply_name)
                        } )+
                        _ => __p::Decoded::invalid(__p::Fault::UnknownTag(tag), 0),
                    }
                }
            }

            impl<F, R> __p::ServerProtocol<F, R> for $name
            where
                F: __p::Format $( + __p::Decode<$command> )+ $( + __p::Encode<$reply> )+,
                $( $command: __p::Execute<R>, )+
            {
                fn decode_command<V: __p::CommandVisitor<Self, R>>(
                    format: &F,
                    tag: __p::Tag,
                    body: &[u8],
                    progress: &mut F::Progress,
                    visitor: V,
                ) -> __p::Decoded<V::Output> {
                    match tag.get() {
                        $( $command_tag => match <F as __p::Decode<$command>>::decode(format, body, progress) {
                            __p::Decoded::Value(command, len) => {
                                __p::Decoded::Value(visitor.visit(command, len), len)
                            }
                            __p::Decoded::Incomplete(missing) => __p::Decoded::Incomplete(missing),
                            __p::Decoded::Invalid(error) => __p::Decoded::Invalid(error),
                        }, )+
                        _ => __p::Decoded::invalid(__p::Fault::UnknownTag(tag), 0),
                    }
                }

                fn encode_reply(
                    format: &F,
                    reply: &[<$name Reply>],
                    out: &mut ::std::vec::Vec<u8>,
                ) -> ::core::result::Result<(), __p::EncodeError> {
                    match reply {
                        $( [<$name Reply>]::$reply_name(reply) => {
                            format.encode_tag(__p::Tag::new($reply_tag), out);
                            <F as __p::Encode<$reply>>::encode(format, reply, out)
                        } )+
                    }
                }
            }
        };
    } };
}

/// What a Protocol says of its failure.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_failure {
    ($replies:ident {}) => {
        type Failure = __p::NoFailure;

        fn failure_reply(failed: __p::Failed) -> ::core::result::Result<$replies, __p::Failed> {
            ::core::result::Result::Err(failed)
        }

        fn as_failure(reply: $replies) -> ::core::result::Result<__p::NoFailure, $replies> {
            ::core::result::Result::Err(reply)
        }

        fn is_failure(_: &$replies) -> bool {
            false
        }
    };
    ($replies:ident { $failure:ident }) => {
        type Failure = $failure;

        fn failure_reply(failed: __p::Failed) -> ::core::result::Result<$replies, __p::Failed> {
            ::core::result::Result::Ok($replies::$failure(failed.into_failure()))
        }

        #[allow(unreachable_patterns)]
        fn as_failure(reply: $replies) -> ::core::result::Result<Self::Failure, $replies> {
            match reply {
                $replies::$failure(failure) => ::core::result::Result::Ok(failure),
                other => ::core::result::Result::Err(other),
            }
        }

        fn is_failure(reply: &$replies) -> bool {
            ::core::matches!(reply, $replies::$failure(_))
        }
    };
}
