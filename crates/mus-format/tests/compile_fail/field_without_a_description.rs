// error at `Handmade`: `Handmade` does not describe its MUS encoding
//! What a type derives, its fields have to have too: a description that left one out would say too little.

use mus_format::{Decode, Encode, Mus, Output, Reader, Shape, Stopped};

struct Handmade(u32);

impl Encode for Handmade {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        self.0.encode(out);
    }
}

impl<'de> Decode<'de> for Handmade {
    const SHAPE: Shape = u32::SHAPE;

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        u32::decode(reader).map(Self)
    }
}

#[derive(Mus)]
struct Message {
    number: Handmade,
}

fn main() {}
