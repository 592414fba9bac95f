//! Structs and unions, with and without a tag before them.

use super::*;

#[derive(Mus, PartialEq, Debug)]
struct Foo {
    a: isize,
    b: bool,
    c: String,
}

#[derive(Mus, PartialEq, Debug)]
struct FooWithZigzagLength {
    a: isize,
    b: bool,
    #[mus(len = varint)]
    c: String,
}

#[derive(Mus, PartialEq, Debug)]
#[mus(dtm = 300)]
struct Foo300(Foo);

#[derive(Mus, PartialEq, Debug)]
#[mus(dtm = 7)]
struct Foo7(Foo);

#[derive(Mus, PartialEq, Debug)]
struct Base {
    n: i8,
}

#[derive(Mus, PartialEq, Debug)]
struct Inner {
    id: u32,
    tags: Vec<String>,
}

#[derive(Mus, PartialEq, Debug)]
struct Outer {
    base: Base,
    foo: Foo,
    inner: Option<Inner>,
    m: BTreeMap<String, u16>,
    arr: [f32; 2],
    at: SystemTime,
    raw: Vec<u8>,
}

#[derive(Mus, PartialEq, Debug)]
struct Label(String);

#[derive(Mus, PartialEq, Debug)]
enum Form {
    Circle { r: isize },
    Label(Label),
}

fn foo(value: &Value) -> Foo {
    Foo { a: read::number(&value["A"]), b: read::boolean(&value["B"]), c: read::string(&value["C"]) }
}

fn outer(value: &Value) -> Outer {
    let inner = |value: &Value| Inner {
        id: read::number(&value["Id"]),
        tags: read::list(&value["Tags"], read::string),
    };
    Outer {
        base: Base { n: read::number(&value["Base"]["N"]) },
        foo: foo(&value["Foo"]),
        inner: Some(&value["In"]).filter(|value| !value.is_null()).map(inner),
        m: read::map(&value["M"], str::to_owned, read::number),
        arr: read::list(&value["Arr"], read::number).try_into().expect("two floats"),
        at: read::time(value["At"].as_str().expect("a time")),
        raw: read::bytes(&value["Raw"]),
    }
}

fn form(value: &Value) -> Form {
    match value["type"].as_str() {
        Some("Circle") => Form::Circle { r: read::number(&value["R"]) },
        Some("Label") => Form::Label(Label(read::string(&value["value"]))),
        _ => panic!("{value}"),
    }
}

#[derive(Mus, PartialEq, Debug)]
struct Payment {
    id: [u8; 16],
    amount: String,
    at: SystemTime,
    #[mus(nanoseconds)]
    fine: SystemTime,
    parent: Option<[u8; 16]>,
    rates: Vec<String>,
}

fn payment(value: &Value) -> Payment {
    let id = |value: &Value| read::bytes(value).try_into().expect("16 bytes");
    let time = |value: &Value| read::time(value.as_str().expect("a time"));
    Payment {
        id: id(&value["ID"]),
        amount: read::string(&value["Amount"]),
        at: time(&value["At"]),
        fine: time(&value["Fine"]),
        parent: Some(&value["Parent"]).filter(|value| !value.is_null()).map(id),
        rates: read::list(&value["Rates"], read::string),
    }
}

pub(super) fn check(vector: &Vector) {
    match (vector.type_name.as_str(), vector.options["string_len"].as_str()) {
        ("struct.Foo", None) => holds::<Foo, Plain>(vector, foo),
        ("struct.Foo", Some("varint.int")) => holds::<FooWithZigzagLength, Plain>(vector, |value| {
            let Foo { a, b, c } = foo(value);
            FooWithZigzagLength { a, b, c }
        }),
        ("struct.Outer", None) => holds::<Outer, Plain>(vector, outer),
        ("defined.Label(string)", None) => {
            holds::<Label, Plain>(vector, |value| Label(read::string(value)));
        }
        ("defined.Decimal(string)", None) => {
            holds::<String, Plain>(vector, read::string);
            #[cfg(feature = "rust_decimal")]
            foreign::decimal(vector);
        }
        ("struct.Payment", None) => {
            holds::<Payment, Plain>(vector, payment);
            #[cfg(all(feature = "chrono", feature = "rust_decimal", feature = "uuid"))]
            foreign::payment(vector);
        }
        ("typed.dtm", None) => holds::<i64, Positive>(vector, read::number),
        ("typed.Foo(dtm=300)", None) => holds::<Foo300, Plain>(vector, |value| Foo300(foo(value))),
        ("typed.Foo(dtm=7)", None) => holds::<Foo7, Plain>(vector, |value| Foo7(foo(value))),
        ("union.Shape{1:Circle,2:Label}", None) => holds::<Form, Plain>(vector, form),
        _ => unknown(vector),
    }
}
