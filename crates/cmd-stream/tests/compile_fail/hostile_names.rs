// compiles
//! Whatever the types of a Protocol are called, what `protocol!` makes means the same. Each name stands as a Command, as a
//! Reply, as an enum over Replies and a variant of it, as the failure, and as the Protocol.

#![deny(warnings)]
#![allow(non_camel_case_types, dead_code, reason = "that is the point")]

struct Receiver;

/// Unit structs: their names are those of types and of values, which a variable of the same name could not shadow.
macro_rules! types {
    ($($name:ident)*) => { $(
        #[derive(::core::fmt::Debug)]
        pub struct $name;

        impl ::serde::Serialize for $name {
            fn serialize<__S: ::serde::Serializer>(
                &self,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                __serializer.serialize_unit()
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<__D: ::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                <() as ::serde::Deserialize<'de>>::deserialize(__deserializer).map(|()| $name)
            }
        }
    )* };
}

macro_rules! answers {
    ($($name:ident -> $reply:ty, $value:expr;)*) => { $(
        impl ::cmd_stream::Answer<crate::Receiver> for $name {
            async fn answer(
                self,
                _: &crate::Receiver,
                _: &::cmd_stream::Context<'_>,
            ) -> ::core::result::Result<$reply, ::cmd_stream::Failed> {
                ::core::result::Result::Ok($value)
            }
        }
    )* };
}

/// A server and a client, whose calls are futures.
macro_rules! both_ends {
    ($protocol:ident, $sender:ident => $($call:expr),*) => {
        pub async fn __server() {
            let _ = ::cmd_stream::Server::bind("127.0.0.1:9000", $protocol, ::cmd_stream::Json, crate::Receiver).await;
        }

        pub async fn __client($sender: ::cmd_stream::Sender<$protocol, ::cmd_stream::Json>) {
            $( let _ = $call.await; )*
            let _ = ::cmd_stream::ServerInfo::of::<$protocol, ::cmd_stream::Json>();
        }
    };
}

macro_rules! services {
    ($($tag:literal => $name:ident)*) => {
        mod commands {
            types! { __Done $($name)* }

            ::cmd_stream::protocol! {
                pub struct __Service {
                    commands { $($tag => $name -> __Done),* }
                    replies { 0 => __Done }
                    failure close_connection
                }
            }
            answers! { $($name -> __Done, __Done;)* }
            both_ends! { __Service, __sender => $(__sender.send($name)),* }
        }

        mod one_way_commands {
            types! { __Done $($name)* }

            ::cmd_stream::protocol! {
                pub struct __Service {
                    commands { $($tag => self::$name as $name -> ()),* }
                    replies { 0 => __Done }
                    failure close_connection
                }
            }
            answers! { $($name -> (), ();)* }
            both_ends! { __Service, __sender => $(__sender.post($name)),* }
        }

        mod replies {
            types! { __Ask $($name)* }

            pub enum __Any {
                $($name($name)),*
            }

            ::cmd_stream::protocol! {
                pub struct __Service {
                    commands { 0 => __Ask -> __Any }
                    replies { $($tag => $name),* }
                    enum __Any { $($name($name)),* }
                    failure close_connection
                }
            }
            answers! { __Ask -> __Any, __Any::F(F); }
            both_ends! { __Service, __sender => __sender.send(__Ask) }
        }

        mod enums { $(
            const _: () = {
                types! { __Ask __Done __Gone }

                pub enum $name {
                    __Done(__Done),
                    __Gone(__Gone),
                }

                ::cmd_stream::protocol! {
                    pub struct __Service {
                        commands { 0 => __Ask -> $name }
                        replies { 0 => __Done, 1 => __Gone }
                        enum $name { __Done(__Done), __Gone(__Gone) }
                        failure close_connection
                    }
                }
                answers! { __Ask -> $name, ::core::convert::From::from(__Done); }
                both_ends! { __Service, __sender => __sender.send(__Ask) }
            };
        )* }

        mod failures { $(
            const _: () = {
                types! { __Ask __Done $name }

                impl ::core::fmt::Display for $name {
                    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        __f.write_str("failed")
                    }
                }

                impl ::core::error::Error for $name {}

                impl ::cmd_stream::Failure for $name {
                    fn from_failed(_: &::cmd_stream::Failed) -> Self {
                        $name
                    }
                }

                ::cmd_stream::protocol! {
                    pub struct __Service {
                        commands { 0 => __Ask -> __Done }
                        replies { 0 => __Done, 1 => $name }
                        failure $name
                    }
                }
                answers! { __Ask -> __Done, __Done; }
                both_ends! { __Service, __sender => __sender.send(__Ask) }
            };
        )* }

        mod protocols { $(
            const _: () = {
                types! { __Ask __Done }

                ::cmd_stream::protocol! {
                    pub struct $name {
                        commands { 0 => __Ask -> __Done }
                        replies { 0 => __Done }
                        failure close_connection
                    }
                }
                answers! { __Ask -> __Done, __Done; }
                both_ends! { $name, __sender => __sender.send(__Ask) }
            };
        )* }
    };
}

/// Nothing is in scope but what the program brings in itself.
mod without_a_prelude {
    #![no_implicit_prelude]

    types! { __Ask __Done __Gone }

    pub enum __Any {
        __Done(__Done),
        __Gone(__Gone),
    }

    ::cmd_stream::protocol! {
        pub struct __Service {
            commands { 0 => __Ask -> __Any }
            replies { 0 => __Done, 1 => __Gone }
            enum __Any { __Done(__Done), __Gone(__Gone) }
            failure close_connection
        }
    }
    answers! { __Ask -> __Any, ::core::convert::From::from(__Done); }
    both_ends! { __Service, __sender => __sender.send(__Ask) }
}

services! {
    // Single letters, which other code takes for type parameters.
    0 => F 1 => R 2 => V 3 => T 4 => E 5 => P 6 => C 7 => A 8 => S 9 => I 10 => L 11 => X 12 => D 13 => G
    // What the expansion once had as names of its own.
    14 => CommandIndex 15 => Index 16 => Self_ 17 => __p 18 => __tag
    // Primitive types.
    19 => usize 20 => isize 21 => u8 22 => u16 23 => u32 24 => u64 25 => i64 26 => f64 27 => bool 28 => char
    29 => str
    // The prelude.
    30 => Vec 31 => String 32 => Box 33 => Result 34 => Option 35 => Ok 36 => Err 37 => Some 38 => None
    39 => Default 40 => Clone 41 => Copy 42 => Debug 43 => PartialEq 44 => Eq 45 => Send 46 => Sync
    47 => Sized 48 => Drop 49 => FnOnce 50 => From 51 => Into 52 => Iterator 53 => Infallible
    // The library.
    54 => Format 55 => Decode 56 => Encode 57 => Describe 58 => Tag 59 => Seq 60 => Decoded 61 => Fault
    62 => Entry 63 => Protocol 64 => Reply 65 => Command 66 => CommandOf 67 => ReplyOf 68 => CommandRef
    69 => CommandVisitor 70 => ClientProtocol 71 => ServedIn 72 => ServerProtocol 73 => DescribedBy
    74 => Execute 75 => Answer 76 => Context 77 => Proxy 78 => Failed 79 => Failure 80 => CallError
    81 => Kind 82 => Plain 83 => OneWay 84 => Last
    // Variables and macros.
    85 => format 86 => tag 87 => body 88 => progress 89 => then 90 => other 91 => reply 92 => command
    93 => failed 94 => failure 95 => visitor 96 => out 97 => len 98 => error 99 => f 100 => x
    101 => stringify 102 => matches 103 => compile_error
    // Modules and crates.
    104 => core 105 => std 106 => alloc 107 => cmd_stream 108 => proto 109 => server
    // Keywords.
    110 => r#type 111 => r#match 112 => r#fn
}

fn main() {}
