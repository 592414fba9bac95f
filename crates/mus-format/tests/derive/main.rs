//! What `#[derive(Mus)]` makes of types and their attributes, held against bytes. What it refuses is in
//! `tests/compile_fail/`.

mod checks;
mod descriptions;
mod encodings;
mod enums;
mod fields;
mod generics;
mod raw;
mod support;
mod through;
