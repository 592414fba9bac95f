// compiles
//! The code of the derive names everything from the root, so no name of the program gets in its way; mus-format is no
//! dependency of this program.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod core {}
mod std {}
mod alloc {}
mod mus_format {}
mod cmd_stream {}
mod mus {}

trait Encode {}
trait Decode {}
trait Default {}
trait Into {}
struct Output;
struct Reader;
struct Stopped;
struct Shape;
struct Box;
struct Vec;
struct Result;
struct Option;
struct String;
struct usize;
struct bool;
struct Plain;
struct out;
struct reader;
struct value;
struct tag;
struct error;
const field_0: u8 = 1;
fn Ok() {}
fn Err() {}

mod types {
    #[derive(::cmd_stream::mus::Mus)]
    #[mus(validate = Self::value)]
    pub struct Point<'de, O, T> {
        #[mus(max_len = 10, elem(raw, validate = value))]
        x: ::std::vec::Vec<u32>,
        #[mus(skip)]
        y: u32,
        text: &'de str,
        o: O,
        t: T,
    }

    impl<O, T> Point<'_, O, T> {
        fn value(&self) -> ::std::result::Result<(), &'static str> {
            ::std::result::Result::Ok(())
        }
    }

    fn value(_: &u32) -> ::std::result::Result<(), &'static str> {
        ::std::result::Result::Ok(())
    }

    #[derive(::cmd_stream::mus::Mus)]
    enum Number {
        Ok(u32, #[mus(raw)] i32),
        Err { out: u32, reader: u32, tag: u32 },
        None,
    }
}

#[derive(::cmd_stream::mus::Mus)]
enum Number {
    Ok(u32, #[mus(raw)] i32, #[mus(len = raw)] ::std::string::String),
    Err { out: u32, reader: u32, tag: u32 },
    None,
}

mod without_a_prelude {
    #![no_implicit_prelude]

    #[::core::prelude::v1::derive(::cmd_stream::mus::Mus)]
    #[mus(dtm = 3, validate = check)]
    struct Point {
        #[mus(max_len = 10, elem(raw))]
        x: ::std::vec::Vec<u32>,
        #[mus(skip)]
        y: u32,
    }

    fn check(_: &Point) -> ::core::result::Result<(), &'static str> {
        ::core::result::Result::Ok(())
    }

    #[::core::prelude::v1::derive(::cmd_stream::mus::Mus)]
    enum Number {
        Some(u32),
        None,
    }
}

fn main() {}
