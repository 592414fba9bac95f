// compiles
//! The code of the derive needs no standard library.

#![deny(warnings)]
#![no_std]

extern crate alloc;
extern crate std as linked; // a program needs one; nothing here names it

use alloc::string::String;

use mus_format::Mus;

#[derive(Mus)]
pub struct Name {
    #[mus(max_len = 10, validate = short)]
    pub first: String,
    #[mus(skip)]
    pub last: Option<String>,
}

fn short(name: &str) -> Result<(), &'static str> {
    if name.len() < 10 { Ok(()) } else { Err("long") }
}

#[derive(Mus)]
pub enum Number {
    One,
    Many(u32),
}

fn main() {}
