// compiles
//! A type that is deprecated, or has parts that are, can still be derived for: also one that a macro makes.

#![deny(warnings)]

use mus_format::Mus;

#[derive(Mus)]
pub struct Point {
    pub x: u32,
    #[deprecated]
    pub y: u32,
}

#[derive(Mus)]
pub enum Shape {
    #[deprecated]
    Circle(u32),
    Square {
        #[deprecated]
        side: u32,
    },
}

#[deprecated]
#[derive(Mus)]
pub struct Old(u32);

macro_rules! deprecated {
    ($name:ident) => {
        #[deprecated]
        #[derive(Mus)]
        pub struct $name {
            pub number: u32,
        }
    };
}

deprecated! { Older }

fn main() {}
