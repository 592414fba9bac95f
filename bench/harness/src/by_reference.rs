//! Commands that are sent by reference, so that a benchmark does not measure its own copies.

/// Makes a type of a Command that is sent, and only sent: a reference to a value, which it encodes as. A macro, because only a type of
/// the crate that has the Protocol can be a Command.
///
/// The crate needs `mus-format`, `prost` and `serde`.
#[macro_export]
macro_rules! by_reference {
    ($( #[$meta:meta] )* $vis:vis struct $name:ident($of:ty);) => {
        $( #[$meta] )*
        #[derive(Clone, Copy, Debug, ::serde::Serialize)]
        $vis struct $name($vis &'static $of);

        /// Required of what Protobuf writes.
        impl Default for $name {
            fn default() -> Self {
                static EMPTY: std::sync::LazyLock<$of> = std::sync::LazyLock::new(<$of>::default);
                Self(&EMPTY)
            }
        }

        impl ::mus_format::Encode for $name {
            fn encode<O: ::mus_format::Output + ?Sized>(&self, out: &mut O) {
                ::mus_format::Encode::encode(self.0, out);
            }
        }

        impl ::prost::Message for $name {
            fn encode_raw(&self, out: &mut impl ::prost::bytes::BufMut) {
                self.0.encode_raw(out);
            }

            fn encoded_len(&self) -> usize {
                self.0.encoded_len()
            }

            fn merge_field(
                &mut self,
                tag: u32,
                kind: ::prost::encoding::WireType,
                bytes: &mut impl ::prost::bytes::Buf,
                context: ::prost::encoding::DecodeContext,
            ) -> Result<(), ::prost::DecodeError> {
                ::prost::encoding::skip_field(kind, tag, bytes, context) // it is only sent
            }

            fn clear(&mut self) {}
        }
    };
}
