// compiles
//! A type that warns of its parts can still be derived for.

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

fn main() {}
