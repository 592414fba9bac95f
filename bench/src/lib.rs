//! What the programs of this folder share: how values are drawn, the serialization formats that are compared, how
//! instructions are counted, and what is published. Only the program `bench` has connections and participants.

pub mod callgrind;
pub mod formats;
pub mod published;
pub mod random;
pub mod spread;
pub mod values;
