//! The messages for mistakes, and the choice of the field. Where messages point and what the generated code does is
//! tested by `tests/compile_fail/` of cmd-stream.

use syn::{Data, DeriveInput, parse_str};

use super::errors::Errors;
use super::{expand, message};

#[track_caller]
fn says(source: &str, expected: &[&str]) {
    let said: Vec<_> = match expand(&parse_str(source).expect("an item")) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
    };
    let as_expected = said.len() == expected.len() && said.iter().zip(expected).all(|(a, b)| a.contains(b));
    assert!(as_expected, "{source}\nexpected {expected:#?}\nsaid {said:#?}");
}

/// Returns the index of the field taken for the text.
#[track_caller]
fn text_of(source: &str) -> Option<usize> {
    let input: DeriveInput = parse_str(source).expect("an item");
    let Data::Struct(data) = &input.data else { panic!("{source} is not a struct") };
    message::message(&input.ident, &data.fields, &mut Errors::default())
}

#[test]
fn a_text_is_found_by_its_type() {
    for ty in [
        "String",
        "string::String",
        "std::string::String",
        "::std::string::String",
        "alloc::string::String",
        "(String)",
        "Box<str>",
        "std::boxed::Box<std::primitive::str>",
        "Arc<str>",
        "sync::Arc<str>",
        "Cow<'static, str>",
        "::alloc::borrow::Cow<'static, str>",
    ] {
        assert_eq!(text_of(&format!("struct S({ty});")), Some(0), "{ty}");
        assert_eq!(text_of(&format!("struct S {{ a: u8, b: {ty} }}")), Some(1), "{ty}");
    }
}

#[test]
fn other_types_are_no_text() {
    for ty in [
        "str",
        "&'static str",
        "Vec<String>",
        "Option<String>",
        "Box<String>",
        "Rc<str>",
        "Cow<'static, [u8]>",
        "Box<str, Global>",
        "String<3>",
        "my::String",
        "heap::string::String",
        "std::path::String",
        "a::std::string::String",
        "<T as Has>::String",
        "[String; 2]",
        "(String, String)",
    ] {
        assert_eq!(text_of(&format!("struct S({ty});")), None, "{ty}");
        assert_eq!(text_of(&format!("struct S({ty}, String);")), Some(1), "{ty}");
    }
}

#[test]
fn a_mark_comes_before_the_type() {
    assert_eq!(text_of("struct S { a: String, #[failure(message)] b: String }"), Some(1));
    assert_eq!(text_of("struct S(String, #[failure(message)] Text);"), Some(1));
    assert_eq!(text_of("struct S(#[other] String, #[failure()] u8);"), Some(0));
}

#[test]
fn options_that_go_together_are_no_mistake() {
    for options in
        ["", "display = false", "display = true,", "crate = a::b", "display = false, crate = crate::re,"]
    {
        says(&format!("#[failure({options})] struct S(String);"), &[]);
    }
    says("#[failure(display = false)] #[other] #[failure(crate = ::c)] struct S(String);", &[]);
    says("struct S { #[failure(message,)] a: u8 }", &[]);
}

#[test]
fn a_mistake_in_the_options_of_a_struct_is_named() {
    for (options, expected) in [
        (
            "(dispaly = false)",
            "unknown option `dispaly`: a struct takes `display = false` and `crate = path`",
        ),
        ("(message)", "`message` is not an option of a struct"),
        ("(display)", "`display` takes `true` or `false`"),
        ("(display(false))", "`display` takes `true` or `false`"),
        ("(display = )", "`display` takes `true` or `false`"),
        ("(display = \"no\")", "`display` takes `true` or `false`"),
        ("(display = false, display = false)", "duplicate option `display`"),
        ("(crate)", "`crate` takes the path of cmd-stream"),
        ("(crate = \"a::b\")", "`crate` takes the path of cmd-stream"),
        ("(display = false crate = a)", "expected a comma between options"),
        ("(,)", "expected the name of an option"),
        ("(3)", "expected the name of an option"),
        ("", "expected options in parentheses: `#[failure(..)]`"),
        (" = false", "expected options in parentheses: `#[failure(..)]`"),
    ] {
        says(&format!("#[failure{options}] struct S(String);"), &[expected]);
    }
    says(
        "#[failure(display = false)] #[failure(display = false)] struct S(String);",
        &["duplicate option `display`"],
    );
}

#[test]
fn a_mistake_in_the_options_of_a_field_is_named() {
    for (options, expected) in [
        ("(mesage)", "unknown option `mesage`: a field takes `message`"),
        ("(display = false)", "`display` is not an option of a field: use it on the struct"),
        ("(message = true)", "`message` takes no value"),
        ("(message(this))", "`message` takes no value"),
        ("(message, message)", "duplicate option `message`"),
        ("(message display)", "expected a comma between options"),
    ] {
        says(&format!("struct S(#[failure{options}] String);"), &[expected]);
    }
}

#[test]
fn every_mistake_is_said() {
    says(
        "#[failure(a, b = 2, display = 3)] struct S<'a> { #[failure(c)] d: &'a u8 }",
        &["the lifetime `'a`", "`a`", "`b`", "`display` takes", "`c`", "no field of `S` holds a text"],
    );
}

#[test]
fn a_failure_has_one_text() {
    says("struct S;", &["no field of `S` holds a text"]);
    says("struct S { code: u32 }", &["no field of `S` holds a text"]);
    says("struct S(String, Box<str>);", &["two fields hold a text"]);
    says("struct S(String, String, String);", &["two fields hold a text"]);
    says(
        "struct S(#[failure(message)] A, #[failure(message)] B);",
        &["two fields are marked with `message`"],
    );
}

#[test]
fn only_structs_are_failures() {
    says("enum E { A(String) }", &["`Failure` cannot be derived for an enum"]);
    says("union U { a: u32, b: f32 }", &["`Failure` cannot be derived for a union"]);
}

#[test]
fn parameters_of_types_are_no_mistake() {
    says("struct S<T, const N: usize> where T: Clone { text: String, more: [T; N] }", &[]);
}
