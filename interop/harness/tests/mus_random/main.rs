//! Random values of each type that `mus-format` and mus-stream-go have in common, 10,000 per type. They are encoded here, decoded
//! and encoded again by Go (`interop/cmd/muscheck`), and decoded here. The bytes must be the same each time. Then values are
//! damaged, and both sides must accept or refuse the same bytes, except for differences that are listed.
//!
//! Each run has a new seed. A failure prints it, and `MUS_RANDOM_SEED` sets it.

mod check;
mod muscheck;
mod random;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use mus_format::Refusal;
use mus_format::encoding::{
    Checked, Mapped, Microseconds, Milliseconds, Nanoseconds, Of, Plain, Positive, Raw, Seconds, Validate,
    Varint,
};

use self::check::{Order, agree, agree_in_any_order, agree_on};
use self::random::{Any, Random};
use self::values::{
    Empty, Foo, FooOfTag7, Label, Outer, Payment, Shape, Tree, TypedFoo, Wide, Width, ZigzagFoo,
};

/// Without a maximum.
const ANY: usize = usize::MAX;

#[test]
fn varints() {
    agree::<u64, Plain>("varint.uint64");
    agree::<u32, Plain>("varint.uint32");
    agree::<u16, Plain>("varint.uint16");
    agree::<u8, Varint>("varint.uint8");
    agree::<u8, Varint>("varint.byte");
    agree::<usize, Plain>("varint.uint");
    agree::<i64, Plain>("varint.int64");
    agree::<i32, Plain>("varint.int32");
    agree::<i16, Plain>("varint.int16");
    agree::<i8, Varint>("varint.int8");
    agree::<isize, Plain>("varint.int");
    agree::<i64, Positive>("varint.positive_int64");
    agree::<i32, Positive>("varint.positive_int32");
    agree::<i16, Positive>("varint.positive_int16");
    agree::<i8, Positive>("varint.positive_int8");
    agree::<isize, Positive>("varint.positive_int");
    agree::<f64, Varint>("varint.float64");
    agree::<f32, Varint>("varint.float32");
}

#[test]
fn raw_numbers() {
    agree::<u64, Raw>("raw.uint64");
    agree::<u32, Raw>("raw.uint32");
    agree::<u16, Raw>("raw.uint16");
    agree::<u8, Plain>("raw.uint8");
    agree::<u8, Raw>("raw.byte");
    agree::<usize, Raw>("raw.uint");
    agree::<i64, Raw>("raw.int64");
    agree::<i32, Raw>("raw.int32");
    agree::<i16, Raw>("raw.int16");
    agree::<i8, Plain>("raw.int8");
    agree::<isize, Raw>("raw.int");
    agree::<f64, Plain>("raw.float64");
    agree::<f32, Plain>("raw.float32");
}

#[test]
fn numbers_that_go_reads_with_its_package_unsafe() {
    agree::<u64, Raw>("unsafe.uint64");
    agree::<u32, Raw>("unsafe.uint32");
    agree::<u16, Raw>("unsafe.uint16");
    agree::<u8, Plain>("unsafe.uint8");
    agree::<i64, Raw>("unsafe.int64");
    agree::<i32, Raw>("unsafe.int32");
    agree::<i16, Raw>("unsafe.int16");
    agree::<i8, Plain>("unsafe.int8");
    agree::<f64, Plain>("unsafe.float64");
    agree::<f32, Plain>("unsafe.float32");
    agree::<bool, Plain>("unsafe.bool");
    agree::<String, Plain>("unsafe.string");
    agree::<SystemTime, Plain>("unsafe.time_unix");
}

#[test]
fn times_and_durations() {
    agree::<SystemTime, Plain>("raw.time_unix");
    agree::<SystemTime, Milliseconds>("raw.time_unix_milli");
    agree::<SystemTime, Microseconds>("raw.time_unix_micro");
    agree::<SystemTime, Nanoseconds>("raw.time_unix_nano");
    agree::<SystemTime, Seconds>("raw.time_unix_utc");
    agree::<SystemTime, Milliseconds>("raw.time_unix_milli_utc");
    agree::<SystemTime, Microseconds>("raw.time_unix_micro_utc");
    agree::<SystemTime, Nanoseconds>("raw.time_unix_nano_utc");
    agree::<Duration, Plain>("defined.Duration{varint}");
    agree::<Duration, Raw>("defined.Duration{raw}");
}

#[test]
fn bools_strings_and_bytes() {
    agree::<bool, Plain>("ord.bool");
    agree::<String, Plain>("ord.string");
    agree::<String, Of<Varint>>("ord.string{len=varint.int}");
    agree::<String, Of<Raw>>("ord.string{len=raw.int}");
    agree_on::<String, Of<Positive, 3>>("ord.valid_string{max_len=3}", Order::Fixed, |random| {
        let length = random.below(4);
        (0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
    });
    agree::<Vec<u8>, Plain>("ord.byte_slice");
    agree::<Vec<u8>, Of<Varint>>("ord.byte_slice{len=varint.int}");
    agree::<Vec<u8>, Of<Raw>>("ord.byte_slice{len=raw.int}");
    agree_on::<Vec<u8>, Of<Positive, 3>>("ord.valid_byte_slice{max_len=3}", Order::Fixed, |random| {
        let length = random.below(4);
        random.collect(length)
    });
}

#[test]
fn slices() {
    agree::<Vec<isize>, Plain>("ord.slice<varint.int>");
    agree::<Vec<isize>, Of<Raw>>("ord.slice<varint.int>{len=raw.int}");
    agree::<Vec<u32>, Of<Positive, ANY, Raw>>("ord.slice<raw.uint32>");
    agree::<Vec<f64>, Plain>("ord.slice<raw.float64>");
    agree::<Vec<i8>, Plain>("ord.slice<raw.int8>");
    agree::<Vec<bool>, Plain>("ord.slice<ord.bool>");
    agree::<Vec<String>, Plain>("ord.slice<ord.string>");
    agree::<Vec<String>, Of<Varint, ANY, Of<Varint>>>(
        "ord.slice<ord.string>{elem_len=varint.int,len=varint.int}",
    );
    agree::<Vec<Vec<u16>>, Of<Positive, ANY, Of<Positive, ANY, Raw>>>("ord.slice<ord.slice<raw.uint16>>");
    agree::<Vec<()>, Plain>("ord.slice<struct.Empty>");
    agree::<Vec<Option<i32>>, Of<Positive, ANY, Of<Positive, ANY, Raw>>>("ord.slice<ord.ptr<raw.int32>>");
    agree::<Vec<Shape>, Plain>("ord.slice<union.Shape>");
    agree_on::<Vec<isize>, Of<Positive, 2, Checked<Plain, NotNegative>>>(
        "ord.valid_slice<varint.int>{elem_min=0,max_len=2}",
        Order::Fixed,
        |random| (0..random.below(3)).map(|_| random.any::<isize>() & isize::MAX).collect(),
    );
}

#[test]
fn arrays() {
    agree::<[isize; 3], Plain>("array3<varint.int>");
    agree::<[u8; 4], Plain>("array4<raw.byte>");
    agree::<[u8; 4], Of<Varint>>("array4<raw.byte>{len=varint.int}");
    agree::<[String; 2], Plain>("array2<ord.string>");
    agree::<[u8; 16], Plain>("array16<raw.byte>");
    agree::<[u8; 16], Of<Raw>>("array16<raw.byte>{len=raw.int}");
}

#[test]
fn maps_and_sets() {
    agree_in_any_order::<BTreeMap<isize, String>, Plain>("ord.map<varint.int,ord.string>");
    agree_in_any_order::<BTreeMap<isize, String>, Of<Varint, ANY, Of<Varint>>>(
        "ord.map<varint.int,ord.string>{len=varint.int,value_len=varint.int}",
    );
    agree_in_any_order::<BTreeMap<String, String>, Plain>("ord.map<ord.string,ord.string>");
    agree_in_any_order::<BTreeMap<u16, Vec<f32>>, Of<Positive, ANY, Plain, Raw>>(
        "ord.map<raw.uint16,ord.slice<raw.float32>>",
    );
    agree_in_any_order::<BTreeSet<String>, Plain>("ord.map<ord.string,struct.Empty>");
    // With at most one entry there is only one order.
    agree_on::<HashMap<String, String>, Plain>("ord.map<ord.string,ord.string>", Order::Fixed, |random| {
        let length = random.below(2);
        random.collect(length)
    });
}

#[test]
fn pointers() {
    agree::<Option<String>, Plain>("ord.ptr<ord.string>");
    agree::<Option<Option<isize>>, Plain>("ord.ptr<ord.ptr<varint.int>>");
    agree_in_any_order::<Option<BTreeMap<String, String>>, Plain>("ord.ptr<ord.map<ord.string,ord.string>>");
    agree_on::<_, Of<Positive, ANY, Mapped>>("pm.slice<ptr<varint.int>>", Order::Fixed, shared::<isize>);
    agree_on::<_, Of<Positive, ANY, Mapped>>("pm.slice<ptr<ord.string>>", Order::Fixed, shared::<String>);
}

#[test]
fn structs_and_unions() {
    agree::<Empty, Plain>("struct.Empty");
    agree::<Foo, Plain>("struct.Foo");
    agree::<ZigzagFoo, Plain>("struct.Foo{string_len=varint.int}");
    agree_in_any_order::<Outer, Plain>("struct.Outer");
    agree::<Tree, Plain>("struct.Tree");
    agree::<Label, Plain>("defined.Label(string)");
    agree::<isize, Positive>("typed.dtm");
    agree::<TypedFoo, Plain>("typed.Foo(dtm=300)");
    agree::<FooOfTag7, Plain>("typed.Foo(dtm=7)");
    agree::<Shape, Plain>("union.Shape{1:Circle,2:Label}");
    agree::<Payment, Plain>("struct.Payment");
}

#[test]
fn types_whose_numbers_are_all_raw() {
    agree_in_any_order::<Wide, Plain>("unsafe_struct.Wide");
    agree_in_any_order::<Width, Plain>("unsafe_union.Width{1:Narrow,300:Length}");
}

/// The check of `ord.valid_slice`.
struct NotNegative;

impl Validate<isize> for NotNegative {
    fn validate(value: &isize) -> Result<(), Refusal> {
        if *value < 0 { Err("negative".into()) } else { Ok(()) }
    }
}

/// Pointers, some of which are the same.
fn shared<T: Any>(random: &mut Random) -> Vec<Option<Rc<T>>> {
    let targets: Vec<Rc<T>> = (0..3).map(|_| Rc::new(random.any())).collect();
    let length = random.length();
    (0..length).map(|_| (!random.one_in(4)).then(|| targets[random.below(3)].clone())).collect()
}
