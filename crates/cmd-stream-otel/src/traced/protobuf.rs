//! `Traced` as a message.

use prost::DecodeError;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, btree_map, check_wire_type, message, skip_field, string};

use super::{BTreeMap, Traced};

const CARRIER: u32 = 1;
const COMMAND: u32 = 2;

impl<C: Message + Default> Message for Traced<C> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(carrier) = &self.carrier {
            btree_map::encode(
                string::encode,
                string::encoded_len,
                string::encode,
                string::encoded_len,
                CARRIER,
                carrier,
                buf,
            );
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
                btree_map::merge(string::merge, string::merge, carrier, buf, context)
            }
            COMMAND => message::merge(wire_type, &mut self.command, buf, context),
            _ => skip_field(wire_type, tag, buf, context),
        }
    }

    fn encoded_len(&self) -> usize {
        let carrier = self.carrier.as_ref().map_or(0, |carrier| {
            btree_map::encoded_len(string::encoded_len, string::encoded_len, CARRIER, carrier)
        });
        carrier + message::encoded_len(COMMAND, &self.command)
    }

    fn clear(&mut self) {
        self.carrier = Some(BTreeMap::new());
        self.command.clear();
    }
}
