// compiles
//! Types, options and the path of the crate may come from a macro.

#![deny(warnings)]
#![allow(dead_code)]

pub mod reexported {
    pub use mus_format;
}

macro_rules! message {
    ($name:ident { $($field:ident: $ty:ty = $length:expr, $check:path;)* } with $encoding:ty) => {
        #[derive($crate::reexported::mus_format::Mus)]
        #[mus(crate = $crate::reexported::mus_format)]
        struct $name {
            $(#[mus(max_len = $length, validate = $check)] $field: $ty,)*
            #[mus(with = $encoding)]
            number: u32,
        }
    };
}

fn check(_: &String) -> Result<(), String> {
    Ok(())
}

message!(Message { text: String = 10, check; title: String = 5 + 5, self::check; } with mus_format::encoding::Raw);

fn main() {}
