//! Types of other crates, each behind the feature of that name. (Times are in `time`, `Bytes` is in `sequences`.)

#[cfg(feature = "uuid")]
mod with_uuid {
    use uuid::Uuid;

    use crate::encoding::{DecodeAs, DescribeAs, Elements, EncodeAs, Length, Of, Unsaid};
    use crate::output::Output;
    use crate::reader::{Reader, Stopped};
    use crate::shape::Shape;
    use crate::{Decode, Describe, Description, Encode};

    /// An array in Go, so its length comes first.
    type Bytes = [u8; 16];

    impl<L: Length, const MAX: usize, E: EncodeAs<u8>, K: Unsaid> EncodeAs<Uuid> for Of<L, MAX, E, K> {
        #[inline]
        fn encode_as<O: Output + ?Sized>(value: &Uuid, out: &mut O) {
            <Self as EncodeAs<Bytes>>::encode_as(value.as_bytes(), out);
        }
    }

    impl<'de, L: Length, const MAX: usize, E: DecodeAs<'de, u8>, K: Unsaid> DecodeAs<'de, Uuid>
        for Of<L, MAX, E, K>
    {
        const SHAPE: Shape = <Self as DecodeAs<'de, Bytes>>::SHAPE;

        #[inline]
        fn decode_as(reader: &mut Reader<'de>) -> Result<Uuid, Stopped> {
            <Self as DecodeAs<'de, Bytes>>::decode_as(reader).map(Uuid::from_bytes)
        }
    }

    impl<L: Length, const MAX: usize, E: DescribeAs<u8>, K: Unsaid> DescribeAs<Uuid> for Of<L, MAX, E, K> {
        fn describe_as() -> Description {
            <Self as DescribeAs<Bytes>>::describe_as()
        }
    }

    impl Encode for Uuid {
        #[inline]
        fn encode<O: Output + ?Sized>(&self, out: &mut O) {
            <Of>::encode_as(self, out);
        }
    }

    impl<'de> Decode<'de> for Uuid {
        const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

        #[inline]
        fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
            <Of>::decode_as(reader)
        }
    }

    impl Describe for Uuid {
        fn describe() -> Description {
            <Of as DescribeAs<Self>>::describe_as()
        }
    }

    impl Elements for Uuid {
        type Element = u8;
        type Key = ();
    }
}

#[cfg(feature = "rust_decimal")]
mod with_rust_decimal {
    use alloc::string::ToString as _;

    use rust_decimal::Decimal;

    use crate::encoding::{DecodeAs, DescribeAs, EncodeAs, Length, Of, Text, Unsaid};
    use crate::error::Fault;
    use crate::output::Output;
    use crate::reader::{Reader, Stopped};
    use crate::shape::Shape;
    use crate::{Decode, Describe, Description, Encode};

    impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> EncodeAs<Decimal> for Of<L, MAX, E, K> {
        #[inline]
        fn encode_as<O: Output + ?Sized>(value: &Decimal, out: &mut O) {
            Text::<L, MAX>::encode_as(value, out);
        }
    }

    /// Rejects a number with more digits than a `Decimal` can hold, rather than round it.
    impl<'de, L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DecodeAs<'de, Decimal> for Of<L, MAX, E, K> {
        const SHAPE: Shape = <Self as DecodeAs<'de, &str>>::SHAPE;

        fn decode_as(reader: &mut Reader<'de>) -> Result<Decimal, Stopped> {
            let text = <Self as DecodeAs<'de, &str>>::decode_as(reader)?;
            Decimal::from_str_exact(text)
                .map_err(|error| reader.invalid(Fault::Validation(error.to_string().into())))
        }
    }

    impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DescribeAs<Decimal> for Of<L, MAX, E, K> {
        fn describe_as() -> Description {
            Description::string::<L>()
        }
    }

    impl Encode for Decimal {
        #[inline]
        fn encode<O: Output + ?Sized>(&self, out: &mut O) {
            <Of>::encode_as(self, out);
        }
    }

    impl<'de> Decode<'de> for Decimal {
        const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

        #[inline]
        fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
            <Of>::decode_as(reader)
        }
    }

    impl Describe for Decimal {
        fn describe() -> Description {
            <Of as DescribeAs<Self>>::describe_as()
        }
    }
}
