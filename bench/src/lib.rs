//! What the programs of this folder share: the values and the serialization formats that are compared, how
//! instructions are counted, and what is published. Only the program `bench` has connections and participants.

pub mod callgrind;
pub mod formats;
pub mod published;
pub mod spread;
pub mod values;
