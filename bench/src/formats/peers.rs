//! The formats, each used as its documentation recommends for speed. Knows no values.

use bincode::enc::write::Writer;
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator, to_bytes_in};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error as RkyvError;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Peer;

/// A format whose bytes can be read without decoding them.
pub(super) trait Access<T>: Peer<T> {
    /// Whatever the value is read from.
    type View;

    /// Validates the bytes.
    fn access(bytes: &Self::Bytes) -> &Self::View;
}

/// This project's own.
pub(super) struct Mus;

impl<T: mus_format::Encode + mus_format::DecodeOwned> Peer<T> for Mus {
    const NAME: &'static str = "mus-format";
    type Bytes = Vec<u8>;

    fn encode(value: &T) -> Vec<u8> {
        mus_format::to_vec(value).expect("it has no limits")
    }

    fn encode_again(value: &T, out: &mut Vec<u8>) {
        out.clear();
        mus_format::append(value, out).expect("it has no limits");
    }

    fn decode(bytes: &Vec<u8>) -> T {
        mus_format::from_slice(bytes).expect("it was encoded here")
    }
}

/// With its standard configuration: varints, little-endian, no limit.
pub(super) struct Bincode;

/// A buffer that is used again. The crate has no writer for it (only for `std::io::Write`, which is slower).
struct Again<'a>(&'a mut Vec<u8>);

impl Writer for Again<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl<T: bincode::Encode + bincode::Decode<()>> Peer<T> for Bincode {
    const NAME: &'static str = "bincode 2";
    type Bytes = Vec<u8>;

    fn encode(value: &T) -> Vec<u8> {
        bincode::encode_to_vec(value, bincode::config::standard()).expect("it has no limits")
    }

    fn encode_again(value: &T, out: &mut Vec<u8>) {
        out.clear();
        bincode::encode_into_writer(value, Again(out), bincode::config::standard())
            .expect("it has no limits");
    }

    fn decode(bytes: &Vec<u8>) -> T {
        let (value, _) =
            bincode::decode_from_slice(bytes, bincode::config::standard()).expect("it was encoded here");
        value
    }
}

/// By way of serde.
pub(super) struct Postcard;

impl<T: Serialize + DeserializeOwned> Peer<T> for Postcard {
    const NAME: &'static str = "postcard";
    type Bytes = Vec<u8>;

    fn encode(value: &T) -> Vec<u8> {
        postcard::to_allocvec(value).expect("it has no limits")
    }

    fn encode_again(value: &T, out: &mut Vec<u8>) {
        out.clear();
        *out = postcard::to_extend(value, std::mem::take(out)).expect("it has no limits");
    }

    fn decode(bytes: &Vec<u8>) -> T {
        postcard::from_bytes(bytes).expect("it was encoded here")
    }
}

/// All numbers of fixed width.
pub(super) struct Borsh;

impl<T: borsh::BorshSerialize + borsh::BorshDeserialize> Peer<T> for Borsh {
    const NAME: &'static str = "borsh";
    type Bytes = Vec<u8>;

    fn encode(value: &T) -> Vec<u8> {
        borsh::to_vec(value).expect("it has no limits")
    }

    fn encode_again(value: &T, out: &mut Vec<u8>) {
        out.clear();
        value.serialize(out).expect("it has no limits");
    }

    fn decode(bytes: &Vec<u8>) -> T {
        borsh::from_slice(bytes).expect("it was encoded here")
    }
}

/// Protobuf.
pub(super) struct Prost;

impl<T: prost::Message + Default> Peer<T> for Prost {
    const NAME: &'static str = "prost";
    type Bytes = Vec<u8>;

    fn encode(value: &T) -> Vec<u8> {
        value.encode_to_vec()
    }

    fn encode_again(value: &T, out: &mut Vec<u8>) {
        out.clear();
        value.encode(out).expect("a vector grows");
    }

    fn decode(bytes: &Vec<u8>) -> T {
        T::decode(bytes.as_slice()).expect("it was encoded here")
    }
}

/// With validation, which bytes from the network need.
pub(super) struct Rkyv;

impl<T> Peer<T> for Rkyv
where
    T: for<'a> rkyv::Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, RkyvError>>,
    T::Archived:
        for<'a> CheckBytes<HighValidator<'a, RkyvError>> + rkyv::Deserialize<T, HighDeserializer<RkyvError>>,
{
    const NAME: &'static str = "rkyv";
    type Bytes = AlignedVec;

    fn encode(value: &T) -> AlignedVec {
        rkyv::to_bytes(value).expect("it has no limits")
    }

    fn encode_again(value: &T, out: &mut AlignedVec) {
        out.clear();
        *out = to_bytes_in(value, std::mem::take(out)).expect("it has no limits");
    }

    fn decode(bytes: &AlignedVec) -> T {
        rkyv::from_bytes(bytes).expect("it was encoded here")
    }
}

impl<T> Access<T> for Rkyv
where
    Self: Peer<T, Bytes = AlignedVec>,
    T: rkyv::Archive<Archived: for<'a> CheckBytes<HighValidator<'a, RkyvError>>>,
{
    type View = T::Archived;

    fn access(bytes: &AlignedVec) -> &T::Archived {
        rkyv::access::<_, RkyvError>(bytes).expect("it was encoded here")
    }
}

/// Text.
pub(super) struct SerdeJson;

impl<T: Serialize + DeserializeOwned> Peer<T> for SerdeJson {
    const NAME: &'static str = "serde_json";
    type Bytes = Vec<u8>;

    fn encode(value: &T) -> Vec<u8> {
        serde_json::to_vec(value).expect("it is plain JSON")
    }

    fn encode_again(value: &T, out: &mut Vec<u8>) {
        out.clear();
        serde_json::to_writer(out, value).expect("it is plain JSON");
    }

    fn decode(bytes: &Vec<u8>) -> T {
        serde_json::from_slice(bytes).expect("it was encoded here")
    }
}
