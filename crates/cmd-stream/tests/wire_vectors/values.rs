//! Vectors of single values.

use testkit::vectors::OF_CONNECTIONS;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    r#type: String,
    kind: String,
    value: Value,
    hex: String,
    consumed: Option<usize>,
    error: Option<String>,
    #[serde(rename = "error_text")]
    _error_text: Option<String>,
    #[serde(rename = "go_skip")]
    _go_skip: Option<Value>,
}

/// Tells whether this crate tests the value: those of a connection, and varints, which frames are made of. The others
/// are tested in `mus-format`.
pub(super) fn is_ours(vector: &Value) -> bool {
    let name = vector["type"].as_str().unwrap_or_default();
    OF_CONNECTIONS.contains(&name) || name.starts_with("varint.")
}

pub(super) fn check(vector: &Value) -> Checked {
    let vector = Vector::deserialize(vector).map_err(|error| error.to_string())?;
    let kind =
        Kind::of(&vector.r#type).ok_or_else(|| format!("a type that no test knows: {}", vector.r#type))?;
    let bytes = unhex(&vector.hex);
    let decode = |bytes: &[u8]| kind.decode(bytes);
    match &*vector.kind {
        "roundtrip" => {
            let value = text_of(&vector.value)?;
            let encoded = hex(&kind.encode(value)?);
            ensure!(encoded == vector.hex, "encoded as {encoded}");
            check_value(&bytes, value, bytes.len(), &decode)
        }
        "decode" => {
            let value = text_of(&vector.value)?;
            check_value(&bytes, value, vector.consumed.ok_or("`consumed` is not given")?, &decode)?;
            let canonical = kind.encode(value)?;
            check_value(&canonical, value, canonical.len(), &decode)
        }
        "error" | "go_undefined" => check_error(&bytes, vector.error.as_deref(), vector.consumed, &decode),
        // Go reads any number of bytes for 8 bits. Here, 8 bits have a limit like the other widths.
        "decode_lax" => match kind {
            Kind::Varint(_, 8) => check_error(&bytes, Some("overflow"), Some(2), &decode),
            _ => Err("no strict answer is known".to_owned()),
        },
        kind => Err(format!("a kind that no test knows: {kind}")),
    }
}

/// The text of a value as the vector has it; for a float, its bits.
fn text_of(value: &Value) -> Result<&str, String> {
    let text = value.get("bits").unwrap_or(value);
    text.as_str().ok_or_else(|| format!("no value: {value}"))
}

#[derive(Clone, Copy)]
enum Kind {
    /// A number of this many bits.
    Varint(Mapping, u32),
    ServerInfo,
    Seq,
}

#[derive(Clone, Copy)]
enum Mapping {
    Unsigned,
    Zigzag,
    Positive,
    Float,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "server_info" => return Some(Self::ServerInfo),
            "seq" => return Some(Self::Seq),
            "varint.byte" => return Some(Self::Varint(Mapping::Unsigned, 8)),
            _ => {}
        }
        let name = name.strip_prefix("varint.")?;
        let families = [
            ("positive_int", Mapping::Positive),
            ("uint", Mapping::Unsigned),
            ("int", Mapping::Zigzag),
            ("float", Mapping::Float),
        ];
        families.into_iter().find_map(|(family, mapping)| {
            let bits = match name.strip_prefix(family)? {
                "8" => 8,
                "16" => 16,
                "32" => 32,
                "64" | "" => 64,
                _ => return None,
            };
            Some(Self::Varint(mapping, bits))
        })
    }

    fn decode(self, bytes: &[u8]) -> Outcome {
        fn number<U: varint::Unsigned>(bytes: &[u8]) -> Decoded<u64> {
            varint::decode::<U>(bytes).map(Into::into)
        }
        match self {
            Self::ServerInfo => ServerInfo::decode(bytes).map(|info| hex(info.as_bytes())).into(),
            Self::Seq => {
                let (tag, body) = (Decoded::Value(Tag::new(0), 0), Decoded::Value((), 0));
                let frame = FrameReader::<()>::new(usize::MAX).read(bytes, |_| tag, |_, _, ()| body);
                let seq = frame.map(|frame| match frame {
                    Frame::Ping => Seq::PING,
                    Frame::Body(head, ()) => head.seq,
                });
                seq.map(|seq| seq.to_string()).into()
            }
            Self::Varint(mapping, bits) => {
                let decoded = match bits {
                    8 => number::<u8>(bytes),
                    16 => number::<u16>(bytes),
                    32 => number::<u32>(bytes),
                    _ => number::<u64>(bytes),
                };
                let text = |number: u64| match mapping {
                    Mapping::Unsigned => number.to_string(),
                    Mapping::Zigzag => varint::unzigzag(number).to_string(),
                    Mapping::Positive => {
                        // The sign bit depends on the width of the type.
                        let shift = 64 - bits;
                        ((number << shift).cast_signed() >> shift).to_string()
                    }
                    Mapping::Float => format!("{number:0digits$x}", digits = bits as usize / 4),
                };
                decoded.map(text).into()
            }
        }
    }

    fn encode(self, value: &str) -> Result<Vec<u8>, String> {
        fn number<U: varint::Unsigned>(number: u64, out: &mut Vec<u8>) -> Checked {
            let number = U::try_from(number).map_err(|_| format!("{number} does not fit its type"))?;
            varint::encode(number, out);
            Ok(())
        }
        let signed = || value.parse::<i64>().map_err(|error| error.to_string());
        let mut out = Vec::new();
        match self {
            Self::ServerInfo => {
                let info = unhex(value);
                match ServerInfo::new(info.clone()) {
                    Ok(info) => info.encode(&mut out),
                    // A peer may send an empty one, but as in Go none can be created.
                    Err(_) if info.is_empty() => out.push(0),
                    Err(error) => return Err(error.to_string()),
                }
            }
            Self::Seq => Seq::new(signed()?).encode(&mut out),
            Self::Varint(mapping, bits) => {
                let raw = match mapping {
                    Mapping::Unsigned => value.parse().map_err(|_| format!("no number: {value}"))?,
                    Mapping::Zigzag => varint::zigzag(signed()?),
                    Mapping::Positive => signed()?.cast_unsigned() & (u64::MAX >> (64 - bits)),
                    Mapping::Float => {
                        u64::from_str_radix(value, 16).map_err(|_| format!("no bits: {value}"))?
                    }
                };
                match bits {
                    8 => number::<u8>(raw, &mut out)?,
                    16 => number::<u16>(raw, &mut out)?,
                    32 => number::<u32>(raw, &mut out)?,
                    _ => number::<u64>(raw, &mut out)?,
                }
            }
        }
        Ok(out)
    }
}
