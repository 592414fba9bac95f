//! MUS values that count how often they are scanned and decoded.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::looked_at;
use mus_format::{Output, Reader, Shape, Stopped};

/// A text that counts its bytes as looked at when it is decoded, and when a scan reaches it. It is encoded as a union
/// of one variant, because a scan asks for the variants at each union that it reaches.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Verse(pub(crate) String);

/// The encoded length of each verse in these tests, except for the single long one.
pub(crate) const VERSE: usize = 62;

impl mus_format::Encode for Verse {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        out.tag(1);
        mus_format::Encode::encode(&self.0, out);
    }
}

impl<'de> mus_format::Decode<'de> for Verse {
    const SHAPE: Shape = Shape::union(|| {
        looked_at(VERSE);
        const { &[(1, &[<String as mus_format::Decode<'_>>::SHAPE])] }
    });

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        let start = reader.position();
        reader.expect_tag(1)?;
        let text = <String as mus_format::Decode<'_>>::decode(reader)?;
        looked_at(reader.position() - start);
        Ok(Self(text))
    }
}

impl mus_format::Describe for Verse {
    fn describe() -> mus_format::Description {
        mus_format::Description::union(&[(1, "Verse", &[mus_format::Part::of::<String>()])])
    }
}

#[derive(Clone, PartialEq, Debug, mus_format::Mus)]
pub(crate) struct Page {
    pub(crate) number: u32,
    pub(crate) title: Option<Verse>,
    pub(crate) verses: Vec<Verse>,
    pub(crate) notes: BTreeMap<u8, Box<Verse>>,
}
