//! What the programs of this folder share: the values and the serialization formats that are compared, and
//! what is published. Only the program `bench` has connections and participants.

pub mod formats;
pub mod published;
pub mod spread;
pub mod values;
