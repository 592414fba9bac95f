// compiles
//! The code of the derive names everything from the root, so no name of the program gets in its way.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod core {}
mod std {}
mod alloc {}
mod cmd_stream {}

trait Default {}
trait Display {}
trait Debug {}
trait Error {}
trait Failure {}
trait From {}
trait ToString {}
trait Send {}
trait Sync {}
struct Failed;
struct Formatter;
struct Result;
struct Option;
struct String;
struct str;
struct u32;
const message: u8 = 1;
const text: u8 = 1;
const formatter: u8 = 1;
fn Ok() {}
fn Err() {}

mod types {
    #[derive(::std::fmt::Debug, ::cmd_stream::Failure)]
    pub struct Failure {
        message: ::std::string::String,
        code: ::core::primitive::u32,
    }

    #[derive(::std::fmt::Debug, ::cmd_stream::Failure)]
    struct Formatter<Failed, Self_, const N: ::core::primitive::usize> {
        r#type: ::std::boxed::Box<::core::primitive::str>,
        text: Failed,
        formatter: (Self_, [::core::primitive::u8; N]),
    }
}

#[derive(::std::fmt::Debug, ::cmd_stream::Failure)]
struct Refused(::std::sync::Arc<::core::primitive::str>);

/// Its `String` is that of the program.
mod shadowed {
    #[derive(Debug, Default)]
    pub struct String;

    #[derive(Debug, cmd_stream_is::Failure)]
    #[failure(crate = cmd_stream_is)]
    pub struct Problem {
        #[failure(message)]
        text: ::std::string::String,
        other: String,
    }

    use ::cmd_stream as cmd_stream_is;
}

mod without_a_prelude {
    #![no_implicit_prelude]

    #[::core::prelude::v1::derive(::core::fmt::Debug, ::cmd_stream::Failure)]
    struct Failure {
        #[failure(message)]
        r#fn: ::std::string::String,
        __text: ::std::string::String,
        __failed: ::core::primitive::u8,
    }
}

fn main() {}
