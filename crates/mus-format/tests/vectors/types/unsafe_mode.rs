//! What mus-gen makes in its mode "unsafe", which is `raw` on the types here.

use super::*;

#[derive(Mus, PartialEq, Debug)]
#[mus(raw)]
struct Wide {
    b: bool,
    u8: u8,
    i8: i8,
    u16: u16,
    i16: i16,
    u32: u32,
    i32: i32,
    u64: u64,
    i64: i64,
    u: usize,
    i: isize,
    f32: f32,
    f64: f64,
    s: String,
    raw: Vec<u8>,
    at: SystemTime,
    duration: Duration,
    list: Vec<Vec<i32>>,
    map: BTreeMap<u16, i64>,
    ptr: Option<u32>,
    arr: [i16; 3],
    inside: Narrow,
    of: Vec<Width>,
    #[mus(varint)]
    v: u64,
}

#[derive(Mus, PartialEq, Debug)]
#[mus(raw)]
struct Narrow {
    n: isize,
    m: BTreeMap<String, u32>,
}

#[derive(Mus, PartialEq, Debug)]
#[mus(raw)]
enum Width {
    Narrow(Narrow),
    #[mus(dtm = 300)]
    Length(i64),
}

fn narrow(value: &Value) -> Narrow {
    Narrow { n: read::number(&value["N"]), m: read::map(&value["M"], str::to_owned, read::number) }
}

fn width(value: &Value) -> Width {
    match value["type"].as_str() {
        Some("Narrow") => Width::Narrow(narrow(&value["value"])),
        Some("Length") => Width::Length(read::number(&value["value"])),
        _ => panic!("{value}"),
    }
}

fn wide(value: &Value) -> Wide {
    Wide {
        b: read::boolean(&value["B"]),
        u8: read::number(&value["U8"]),
        i8: read::number(&value["I8"]),
        u16: read::number(&value["U16"]),
        i16: read::number(&value["I16"]),
        u32: read::number(&value["U32"]),
        i32: read::number(&value["I32"]),
        u64: read::number(&value["U64"]),
        i64: read::number(&value["I64"]),
        u: read::number(&value["U"]),
        i: read::number(&value["I"]),
        f32: read::number(&value["F32"]),
        f64: read::number(&value["F64"]),
        s: read::string(&value["S"]),
        raw: read::bytes(&value["Raw"]),
        at: read::time(value["At"].as_str().expect("a time")),
        duration: Duration::from_nanos(read::number(&value["For"])),
        list: read::list(&value["List"], |row| read::list(row, read::number)),
        map: read::map(&value["Map"], |key| key.parse().expect("a number"), read::number),
        ptr: Some(&value["Ptr"]).filter(|value| !value.is_null()).map(read::number),
        arr: read::list(&value["Arr"], read::number).try_into().expect("three numbers"),
        inside: narrow(&value["In"]),
        of: read::list(&value["Of"], width),
        v: read::number(&value["V"]),
    }
}

pub(super) fn check(vector: &Vector) {
    match vector.type_name.as_str() {
        "unsafe_struct.Wide" => holds::<Wide, Plain>(vector, wide),
        "unsafe_union.Width{1:Narrow,300:Length}" => holds::<Width, Plain>(vector, width),
        _ => unknown(vector),
    }
}
