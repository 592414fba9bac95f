//! The messages for mistakes, all of them at once. Where messages point and what the generated code does is tested in
//! `tests/` of mus-format.

use syn::{parse_quote, parse_str};

use super::expand;

/// Returns the messages about a type, in order.
fn mistakes(source: &str) -> Vec<String> {
    let input = parse_str(source).expect("an item");
    match expand(&input, parse_quote!(::mus_format)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
    }
}

#[track_caller]
fn says(source: &str, expected: &[&str]) {
    let said = mistakes(source);
    let as_expected = said.len() == expected.len() && said.iter().zip(expected).all(|(a, b)| a.contains(b));
    assert!(as_expected, "{source}\nexpected {expected:#?}\nsaid {said:#?}");
}

/// Returns the source of a struct whose field has these options.
fn field(options: &str) -> String {
    format!("struct S {{ #[mus({options})] field: u32 }}")
}

#[test]
fn options_that_go_together_are_no_mistake() {
    for options in [
        "",
        "raw",
        "varint",
        "positive",
        "seconds",
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "borrow",
        "mapped",
        "skip",
        "with = path::Encoding<5, Other>",
        "validate = check",
        "validate = Self::check::<5>",
        "raw, validate = check,",
        "len = raw",
        "len = varint, max_len = 10",
        "len = positive, max_len = usize::MAX / 2, elem(raw), key(varint)",
        "max_len = 0x10usize",
        "max_len = N",
        "elem(len = raw, max_len = 3, elem(positive, validate = one), key(raw), validate = two), validate = three",
        "key(with = Encoding)",
    ] {
        says(&field(options), &[]);
    }
    says("struct S { #[mus(len = raw)] #[other] #[mus(max_len = 3)] field: String }", &[]);
    says("#[mus(dtm = -3, validate = check, crate = my::path)] struct S;", &[]);
    says("#[mus(dtm = 0xffi64)] struct S(u8);", &[]);
    says("#[mus(bound = \"T: Clone, U: Sized\")] struct S<T, U>(T, U);", &[]);
    says("#[mus(bound = \"\")] struct S<T>(T);", &[]);
    says("#[mus(raw, dtm = 3)] struct S(#[mus(varint)] u8, #[mus(elem(raw))] Vec<u8>, #[mus(raw)] u8);", &[]);
    says("#[mus(raw)] enum E { A(#[mus(positive)] u8), B }", &[]);
    says("#[mus(validate = check, bound = \"\", crate = my)] enum E { A, #[mus(dtm = 5)] B(u8) }", &[]);
}

#[test]
fn unknown_options_are_listed_with_what_there_is() {
    says(&field("rwa"), &["unknown option `rwa`: a field takes `raw`, `varint`, `positive`, "]);
    says(&field("elem(rwa)"), &["unknown option `rwa`: an element or a key takes `raw`, "]);
    says(
        "#[mus(tag = 1)] struct S;",
        &["unknown option `tag`: a struct takes `raw`, `dtm`, `validate`, `bound`, `crate`"],
    );
    says(
        "#[mus(tag)] enum E { A }",
        &["unknown option `tag`: an enum takes `raw`, `validate`, `bound`, `crate`"],
    );
    says("enum E { #[mus(skip(deep, 1))] A }", &["`skip` is not an option of a variant: use it on a field"]);
}

#[test]
fn misplaced_options_say_where_they_stand() {
    says(&field("dtm = 1"), &["`dtm` is not an option of a field: use it on a struct or a variant"]);
    says(
        "#[mus(dtm = 1)] enum E { A }",
        &["`dtm` is not an option of an enum: use it on a struct or a variant"],
    );
    says(&field("elem(skip)"), &["`skip` is not an option of an element or a key: use it on a field"]);
    says(&field("crate = a"), &["`crate` is not an option of a field: use it on a struct or an enum"]);
    says(
        "#[mus(varint)] struct S(u32);",
        &["`varint` is not an option of a struct: use it on a field or an element or a key"],
    );
    says("enum E { #[mus(raw)] A(u32) }", &["`raw` is not an option of a variant"]);
    says("enum E { A(#[mus(dtm = 1)] u32) }", &["`dtm` is not an option of a field"]);
}

#[test]
fn an_option_stands_once() {
    for option in
        ["raw", "skip", "len = raw", "max_len = 1", "validate = f", "with = E", "elem(raw)", "key(raw)"]
    {
        let name = option.split([' ', '(']).next().expect("a name");
        says(&field(&format!("{option}, {option}")), &[&format!("duplicate option `{name}`")]);
    }
    says("struct S { #[mus(raw)] #[mus(raw)] field: u32 }", &["duplicate option `raw`"]);
    says("#[mus(raw, raw)] struct S;", &["duplicate option `raw`"]);
    says("#[mus(raw = true)] struct S;", &["`raw` takes no value"]);
    says("#[mus(dtm = 1, dtm = 2)] struct S;", &["duplicate option `dtm`"]);
    says(&field("elem(raw, raw)"), &["duplicate option `raw`"]);
}

#[test]
fn options_that_exclude_one_another_are_refused() {
    let whole =
        ["raw", "varint", "positive", "seconds", "milliseconds", "microseconds", "nanoseconds", "borrow"];
    let whole: Vec<_> = whole.into_iter().chain(["mapped", "with = E"]).collect();
    let parts = ["len = raw", "max_len = 1", "elem(raw)", "key(raw)"];
    for (index, first) in whole.iter().enumerate() {
        for second in &whole[index + 1..] {
            says(&field(&format!("{first}, {second}")), &["a value has one encoding"]);
            says(&field(&format!("elem({second}, {first})")), &["a value has one encoding"]);
        }
        for part in parts {
            says(&field(&format!("{first}, {part}")), &["encodes the whole value"]);
            says(&field(&format!("{part}, {first}")), &["encodes the whole value"]);
        }
    }
    for option in whole.into_iter().chain(parts).chain(["validate = f"]) {
        says(
            &field(&format!("skip, {option}")),
            &["conflicts with `skip`: a skipped field is not on the wire"],
        );
        says(&field(&format!("{option}, skip")), &["`skip` conflicts with"]);
    }
}

#[test]
fn values_are_of_the_kind_of_their_option() {
    for options in ["raw = 1", "raw(1)", "skip = true"] {
        says(&field(options), &["takes no value"]);
    }
    for options in ["len", "len =", "len = fixed", "len = \"raw\"", "len(raw)", "len = 8"] {
        says(&field(options), &["`len` takes `raw`, `varint` or `positive`"]);
    }
    for options in
        ["max_len", "max_len = \"10\"", "max_len = -1", "max_len = 1.5", "max_len = 3u32", "max_len(3)"]
    {
        says(&field(options), &["`max_len` takes a constant of type `usize`"]);
    }
    for options in ["validate", "validate = \"f\"", "validate = 3", "validate(f)"] {
        says(&field(options), &["`validate` takes the path of a function"]);
    }
    for options in ["elem", "elem()", "elem = raw", "elem[raw]"] {
        says(&field(options), &["`elem` takes options in parentheses: `raw`, "]);
    }
    says(&field("with = 3"), &["`with` takes the type of an encoding"]);
    for options in ["dtm", "dtm = \"1\"", "dtm = A", "dtm = 1u8", "dtm = 1.0", "dtm = 9223372036854775808"] {
        says(&format!("#[mus({options})] struct S;"), &["`dtm` takes an integer that fits `i64`"]);
    }
    says(
        "#[mus(bound = T)] struct S<T>(T);",
        &["`bound` takes the predicates of a where clause, as a string"],
    );
    says("#[mus(bound)] struct S<T>(T);", &["`bound` takes the predicates of a where clause, as a string"]);
    says(
        "#[mus(bound = \"T\")] struct S<T>(T);",
        &["`bound` takes the predicates of a where clause, as a string"],
    );
    says("#[mus(crate = \"a\")] struct S;", &["`crate` takes the path of mus-format"]);
}

#[test]
fn the_syntax_is_a_list_in_parentheses() {
    says("struct S { #[mus] field: u32 }", &["expected options in parentheses: `#[mus(..)]`"]);
    says("struct S { #[mus = \"raw\"] field: u32 }", &["expected options in parentheses: `#[mus(..)]`"]);
    says(&field("len = raw max_len = 3"), &["expected a comma between options"]);
    says(&field("\"raw\""), &["expected an option: `raw`, `varint`"]);
    says(&field(", raw"), &["expected an option: `raw`, `varint`"]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    says(
        "#[mus(dtm = x, tag)] struct S {
            #[mus(rwa, len = 3, elem(raw, varint, key), raw)] one: u32,
            two: u32,
            #[mus(skip, raw)] three: u32,
        }",
        &[
            "`dtm` takes an integer",
            "unknown option `tag`",
            "unknown option `rwa`",
            "`len` takes",
            "`key` takes options",
            "`raw` conflicts with `elem`",
            "`varint` conflicts with `raw`",
            "`raw` conflicts with `skip`",
        ],
    );
}

#[test]
fn variants_count_on_from_the_tag_before() {
    says("enum E { A, #[mus(dtm = 2)] B, C }", &[]);
    says(
        "enum E { #[mus(dtm = 2)] A, B, #[mus(dtm = 3)] C }",
        &["the tag 3 is already that of the variant `B`"],
    );
    says(
        "enum E { #[mus(dtm = 2)] A, #[mus(dtm = 1)] B, C }",
        &["the tag 2 is already that of the variant `A`"],
    );
    says(
        "enum E { A, B, #[mus(dtm = 1)] C, #[mus(dtm = 1)] D }",
        &["of the variant `A`", "of the variant `A`"],
    );
    says(
        "enum E { #[mus(dtm = 9_223_372_036_854_775_807)] A, B }",
        &[
            "there is no tag after 9223372036854775807",
            "the tag 9223372036854775807 is already that of the variant `A`",
        ],
    );
}

#[test]
fn discriminants_are_not_taken_for_tags() {
    says("enum E { A = 5, B }", &["a discriminant does not set the tag of a variant"]);
    says(
        "enum E { #[mus(dtm = 5)] A = 5, #[mus(dtm = 5)] B = 6 }",
        &["the tag 5 is already that of the variant `A`"],
    );
    says("enum E { #[mus(dtm = 5)] A = 5, B }", &[]);
}

#[test]
fn what_has_no_encoding_is_refused() {
    says("enum E {}", &["an enum without variants has no values to encode"]);
    says("union U { a: u32, b: f32 }", &["`Mus` cannot be derived for a union"]);
}

#[test]
fn names_are_found_where_the_root_says() {
    let expanded = |source, root: &str| {
        let root = parse_str(root).expect("a path");
        expand(&parse_str(source).expect("an item"), root).expect("no mistakes").to_string()
    };
    let all_options = "#[mus(dtm = 3, validate = check)]
        struct S<T> { #[mus(len = raw, max_len = 3, elem(raw, validate = check))] list: Vec<T>, one: u8 }";
    for source in [all_options, "enum E { A, B(#[mus(raw)] u32), C { t: u8 } }"] {
        let code = expanded(source, "::cmd_stream::mus");
        assert!(code.contains("cmd_stream :: mus :: Encode") && !code.contains("mus_format"), "{code}");
        assert_eq!(code.replace(":: cmd_stream :: mus", ":: mus_format"), expanded(source, "::mus_format"));
    }
    let code = expanded("#[mus(crate = my::mus)] struct S(u8);", "::cmd_stream::mus");
    assert!(code.contains("my :: mus :: Encode") && !code.contains("cmd_stream"), "{code}");
}
