//! `Traced` as a message.

use std::collections::BTreeMap;

use prost::DecodeError;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, btree_map, check_wire_type, encode_key, encode_varint, encoded_len_varint,
    key_len, message, skip_field, string,
};

use super::{Carrier, Traced};

const CARRIER: u32 = 1;
const COMMAND: u32 = 2;

/// Of each entry of the carrier.
const NAME: u32 = 1;
const VALUE: u32 = 2;

impl<C: Message + Default> Message for Traced<C> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        for entry in self.carrier.iter().flat_map(Carrier::iter) {
            encode_key(CARRIER, WireType::LengthDelimited, buf);
            encode_varint(entry_len(entry) as u64, buf);
            encode_text(NAME, entry.0, buf);
            encode_text(VALUE, entry.1, buf);
        }
        message::encode(COMMAND, &self.command, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            CARRIER => {
                check_wire_type(WireType::LengthDelimited, wire_type)?;
                let carrier = self.carrier.get_or_insert_default();
                let mut entry = BTreeMap::<String, String>::new();
                btree_map::merge(string::merge, string::merge, &mut entry, buf, context)?;
                entry.iter().for_each(|(name, value)| carrier.set(name, value));
                Ok(())
            }
            COMMAND => message::merge(wire_type, &mut self.command, buf, context),
            _ => skip_field(wire_type, tag, buf, context),
        }
    }

    fn encoded_len(&self) -> usize {
        let carrier = self.carrier.iter().flat_map(Carrier::iter).map(|entry| {
            let len = entry_len(entry);
            key_len(CARRIER) + encoded_len_varint(len as u64) + len
        });
        carrier.sum::<usize>() + message::encoded_len(COMMAND, &self.command)
    }

    fn clear(&mut self) {
        self.carrier = Some(Carrier::default());
        self.command.clear();
    }
}

fn entry_len((name, value): (&str, &str)) -> usize {
    text_len(NAME, name) + text_len(VALUE, value)
}

/// Text that is empty is not there, as in every message.
fn text_len(tag: u32, text: &str) -> usize {
    if text.is_empty() { 0 } else { key_len(tag) + encoded_len_varint(text.len() as u64) + text.len() }
}

fn encode_text(tag: u32, text: &str, buf: &mut impl BufMut) {
    if !text.is_empty() {
        encode_key(tag, WireType::LengthDelimited, buf);
        encode_varint(text.len() as u64, buf);
        buf.put_slice(text.as_bytes());
    }
}
