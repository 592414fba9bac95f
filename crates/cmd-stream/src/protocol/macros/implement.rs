//! Generates the items of `protocol!` from its normalized entries.

#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_implement {
    (
        [
            { $(#[$attribute:meta])* $visibility:vis struct $name:ident }
            [$( { $choice:ident $( $variant:ident $choice_reply:ident )+ } )*]
            $failure:tt
            { $( { $idempotent:ident $listed:ty } )* }
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
        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        $visibility enum [<$name Command>]<'a> {
            $( #[doc = ::core::concat!("The Command with tag ", $command_tag, ".")] $command_name(&'a $command), )+
        }

        // Without `for<'x>`, a bound that does not hold would be an error here. With it, the `impl` just does not
        // apply.
        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
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
        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
        $visibility enum [<$name Reply>] {
            $( #[doc = ::core::concat!("The Reply with tag ", $reply_tag, ".")] $reply_name($reply), )+
        }

        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
        impl ::core::fmt::Debug for [<$name Reply>] where $( for<'x> $reply: ::core::fmt::Debug, )+ {
            fn fmt(&self, __cmd_stream_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { $(
                    Self::$reply_name(__cmd_stream_reply) => {
                        ::core::fmt::Debug::fmt(__cmd_stream_reply, __cmd_stream_f)
                    }
                )+ }
            }
        }

        $crate::__protocol_commands! { { $($idempotent)* } $( { $command_name $command, { $($said)* } } )+ }

        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
        const _: () = {
            $crate::__private::assert_tags(<$name as $crate::protocol::Protocol>::COMMANDS);
            $crate::__private::assert_tags(<$name as $crate::protocol::Protocol>::REPLIES);
            $( $crate::__private::assert_kind::<$name, $command>(); )+
            const __CMD_STREAM_IDEMPOTENT: &[::core::primitive::bool] =
                &[$( <$command as $crate::protocol::Command>::IDEMPOTENT ),+];

            #[repr(usize)]
            #[allow(clippy::enum_variant_names, reason = "the names are the user's")]
            enum __CmdStreamIndex { $( $command_name ),+ }

            #[repr(usize)]
            #[allow(clippy::enum_variant_names, reason = "the names are the user's")]
            enum __CmdStreamReplyIndex { $( $reply_name ),+ }
            // The names of Commands as types, so that an error points at the entry that is wrong. What is listed as idempotent
            // and is no Command of the Protocol is the type outside.
            const _: () = {
                $(
                    #[allow(dead_code, non_camel_case_types, reason = "it is there to be named")]
                    struct $idempotent;

                    impl $crate::__private::Says for $idempotent {
                        type Idempotent = $crate::__private::Idempotent<true>;
                    }
                )*

                const _: () = {
                    $(
                        #[allow(dead_code, non_camel_case_types, reason = "it is there to be named")]
                        struct $command_name;

                        impl $crate::__private::IsCommand for $command_name {}
                        impl $crate::__private::Says for $command_name {
                            type Idempotent = $crate::__private::Idempotent<{
                                __CMD_STREAM_IDEMPOTENT[__CmdStreamIndex::$command_name as ::core::primitive::usize]
                            }>;
                        }
                    )+
                    $( impl $crate::__private::Listed for $listed {} )*
                };
            };

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

                fn reply_entry(__cmd_stream_reply: &Self::Reply) -> &'static $crate::protocol::Entry {
                    let __cmd_stream_index = match __cmd_stream_reply { $(
                        [<$name Reply>]::$reply_name(_) => __CmdStreamReplyIndex::$reply_name,
                    )+ };
                    &Self::REPLIES[__cmd_stream_index as ::core::primitive::usize]
                }

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

                fn measure_command(
                    __cmd_stream_format: &__CmdStreamF,
                    __cmd_stream_tag: $crate::proto::Tag,
                    __cmd_stream_body: &[::core::primitive::u8],
                    __cmd_stream_progress: &mut __CmdStreamF::Progress,
                ) -> ::core::option::Option<::core::primitive::usize> {
                    match __cmd_stream_tag.get() {
                        $( $command_tag => <__CmdStreamF as $crate::format::Decode<$command>>::measure(
                            __cmd_stream_format,
                            __cmd_stream_body,
                            __cmd_stream_progress,
                        ), )+
                        _ => ::core::option::Option::None,
                    }
                }

                fn expansions(__cmd_stream_format: &__CmdStreamF) -> ::std::vec::Vec<$crate::format::Expansion> {
                    ::std::vec![ $(
                        $crate::__private::expansion::<$command, __CmdStreamF, __CmdStreamR>(__cmd_stream_format),
                    )+ ]
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
macro_rules! __protocol_commands {
    ($idempotent:tt $( { $name:ident $command:ty, $said:tt } )+) => {
        $( $crate::__protocol_command! { $idempotent $name $command, $said } )+
    };
}

/// Implements `Command` for an entry with an arrow.
#[doc(hidden)]
#[macro_export]
macro_rules! __protocol_command {
    ($idempotent:tt $name:ident $command:ty, {}) => {};
    ({ $($idempotent:ident)* } $name:ident $command:ty, { () }) => {
        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
        impl $crate::protocol::Command for $command {
            type Reply = ();
            type Kind = $crate::protocol::kind::OneWay;

            const IDEMPOTENT: ::core::primitive::bool =
                $crate::__private::is_one_of(::core::stringify!($name), &[$( ::core::stringify!($idempotent) ),*]);
        }
    };
    ({ $($idempotent:ident)* } $name:ident $command:ty, { $reply:ty }) => {
        #[allow(deprecated, reason = "a Command or a Reply may be, for those who use it")]
        impl $crate::protocol::Command for $command {
            type Reply = $reply;
            type Kind = $crate::protocol::kind::Plain;

            const IDEMPOTENT: ::core::primitive::bool =
                $crate::__private::is_one_of(::core::stringify!($name), &[$( ::core::stringify!($idempotent) ),*]);
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

        fn is_overloaded(_: &$replies) -> ::core::primitive::bool {
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

        fn is_overloaded(__cmd_stream_reply: &$replies) -> ::core::primitive::bool {
            match __cmd_stream_reply {
                $replies::$failure(__cmd_stream_failure) => {
                    <$failure as $crate::Failure>::is_overloaded(__cmd_stream_failure)
                }
                #[allow(unreachable_patterns, reason = "it may be the only Reply")]
                _ => false,
            }
        }

        fn is_failure(__cmd_stream_reply: &$replies) -> ::core::primitive::bool {
            ::core::matches!(__cmd_stream_reply, $replies::$failure(_))
        }
    };
}
