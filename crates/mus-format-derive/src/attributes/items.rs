//! The syntax of `#[mus(..)]`. Parses options, and checks that each exists, is allowed in its place, and has the right
//! kind of value. Whether options can be combined is decided by the caller.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::buffer::Cursor;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, ExprPath, Lit, LitInt, LitStr, Meta, Path, Result, Token, Type, UnOp,
    WherePredicate, parenthesized, token,
};

use super::options::{Place, Specification, Takes, allowed};
use crate::errors::Errors;

/// An option as written.
pub(crate) struct Item {
    pub(crate) name: Ident,
    pub(crate) value: Value,
    /// The span of its last token.
    pub(crate) end: Span,
}

/// The value of an option.
pub(crate) enum Value {
    Nothing,
    Tag(i64),
    LengthEncoding(Ident),
    Size(Expr),
    Function(ExprPath),
    Encoding(Box<Type>),
    Bounds(Vec<WherePredicate>),
    Root(Path),
    Options(Vec<Item>),
}

/// Returns the options in all `#[mus(..)]` among the attributes. Mistakes go to `errors`.
pub(crate) fn items(attributes: &[Attribute], place: Place, errors: &mut Errors) -> Vec<Item> {
    let mut items = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("mus")) {
        let Meta::List(list) = &attribute.meta else {
            errors.push(Error::new_spanned(&attribute.meta, "expected options in parentheses: `#[mus(..)]`"));
            continue;
        };
        let parsed = list.parse_args_with(|input: ParseStream<'_>| {
            items_of(input, place, &mut items, errors);
            Ok(())
        });
        errors.keep(parsed);
    }
    items
}

/// Parses all of the input. An option with a mistake is skipped, up to the next comma.
fn items_of(input: ParseStream<'_>, place: Place, items: &mut Vec<Item>, errors: &mut Errors) {
    while !input.is_empty() {
        match item(input, place, errors).and_then(|item| separator(input).map(|()| item)) {
            Ok(item) => items.push(item),
            Err(error) => {
                errors.push(error);
                skip_to_next(input);
            }
        }
    }
}

fn item(input: ParseStream<'_>, place: Place, errors: &mut Errors) -> Result<Item> {
    let name = input
        .call(Ident::parse_any)
        .map_err(|error| Error::new(error.span(), format!("expected an option: {}", allowed(place))))?;
    let Some(option) = Specification::find(&name.to_string()) else {
        let text = format!("unknown option `{name}`: {place} takes {}", allowed(place));
        return Err(Error::new_spanned(&name, text));
    };
    if !option.stands_on(place) {
        let text = format!("`{name}` is not an option of {place}: use it on {}", option.places());
        return Err(Error::new_spanned(&name, text));
    }
    let before = input.cursor();
    let value = value(&name, option.takes, input, errors)?;
    let end = last_span(before, input.cursor()).unwrap_or_else(|| name.span());
    Ok(Item { name, value, end })
}

/// Parses the value of an option.
fn value(name: &Ident, takes: Takes, input: ParseStream<'_>, errors: &mut Errors) -> Result<Value> {
    match takes {
        Takes::Nothing if input.peek(Token![=]) || input.peek(token::Paren) => {
            Err(Error::new_spanned(name, format!("`{name}` takes no value")))
        }
        Takes::Nothing => Ok(Value::Nothing),
        Takes::Tag => assigned(name, input, "an integer that fits `i64`: `dtm = 3`", tag),
        Takes::LengthEncoding => assigned(name, input, "`raw`, `varint` or `positive`", length_encoding),
        Takes::Size => assigned(
            name,
            input,
            "a constant of type `usize`: the maximum number of elements, or of bytes in a string",
            size,
        ),
        Takes::Function => {
            assigned(name, input, "the path of a function: `validate = path::to::function`", |value| {
                value.parse().map(Value::Function)
            })
        }
        Takes::Encoding => {
            assigned(name, input, "the type of an encoding: `with = path::to::Encoding`", |value| {
                value.parse().map(|encoding| Value::Encoding(Box::new(encoding)))
            })
        }
        Takes::Bounds => assigned(
            name,
            input,
            "the predicates of a where clause, as a string: `bound = \"T: Trait\"`",
            bounds,
        ),
        Takes::Root => {
            assigned(name, input, "the path of mus-format: `crate = path::to::mus_format`", |value| {
                value.call(Path::parse_mod_style).map(Value::Root)
            })
        }
        Takes::Options => options(name, input, errors),
    }
}

/// Parses `= VALUE`.
fn assigned(
    name: &Ident,
    input: ParseStream<'_>,
    what: &str,
    parse: impl FnOnce(ParseStream<'_>) -> Result<Value>,
) -> Result<Value> {
    let text = format!("`{name}` takes {what}");
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(name, text));
    }
    let whole = input.fork();
    parse(input).map_err(|_| Error::new_spanned(up_to_comma(&whole), text))
}

fn tag(value: ParseStream<'_>) -> Result<Value> {
    let minus = value.parse::<Option<Token![-]>>()?;
    let digits = value.parse::<LitInt>()?;
    if !matches!(digits.suffix(), "" | "i64") {
        return Err(value.error("another type"));
    }
    let sign = if minus.is_some() { "-" } else { "" };
    let tag = format!("{sign}{}", digits.base10_digits()).parse();
    tag.map(Value::Tag).map_err(|_| value.error("out of range"))
}

fn length_encoding(value: ParseStream<'_>) -> Result<Value> {
    let encoding = value.call(Ident::parse_any)?;
    if ["raw", "varint", "positive"].iter().any(|name| encoding == name) {
        Ok(Value::LengthEncoding(encoding))
    } else {
        Err(value.error("another name"))
    }
}

/// Parses any expression, but among literals only those that can be a `usize`.
fn size(value: ParseStream<'_>) -> Result<Value> {
    let size = value.parse::<Expr>()?;
    let possible = match &size {
        Expr::Lit(literal) => {
            matches!(&literal.lit, Lit::Int(digits) if matches!(digits.suffix(), "" | "usize"))
        }
        Expr::Unary(unary) => !matches!(unary.op, UnOp::Neg(_)),
        _ => true,
    };
    if possible { Ok(Value::Size(size)) } else { Err(value.error("another type")) }
}

fn bounds(value: ParseStream<'_>) -> Result<Value> {
    let bounds = value.parse::<LitStr>()?;
    let bounds = bounds.parse_with(Punctuated::<WherePredicate, Token![,]>::parse_terminated)?;
    Ok(Value::Bounds(bounds.into_iter().collect()))
}

/// Parses `(OPTION, ..)`.
fn options(name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> Result<Value> {
    let text = || format!("`{name}` takes options in parentheses: {}", allowed(Place::Part));
    if !input.peek(token::Paren) {
        return Err(Error::new_spanned(name, text()));
    }
    let content;
    parenthesized!(content in input);
    if content.is_empty() {
        return Err(Error::new_spanned(name, text()));
    }
    let mut items = Vec::new();
    items_of(&content, Place::Part, &mut items, errors);
    Ok(Value::Options(items))
}

/// Parses the comma between two options.
fn separator(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    match input.parse::<Token![,]>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(error.span(), "expected a comma between options")),
    }
}

/// Skips everything up to the next comma, and the comma.
fn skip_to_next(input: ParseStream<'_>) {
    up_to_comma(input);
    if !input.is_empty() {
        input.parse::<Token![,]>().expect("all up to a comma was taken");
    }
}

fn up_to_comma(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend(input.parse::<TokenTree>());
    }
    tokens
}

/// Returns the span of the last token in `start..end`, if there is one.
fn last_span(start: Cursor<'_>, end: Cursor<'_>) -> Option<Span> {
    let mut next = start;
    let mut last = None;
    while next != end {
        let (token, rest) = next.token_tree()?;
        last = Some(match token {
            TokenTree::Group(group) => group.span_close(),
            token => token.span(),
        });
        next = rest;
    }
    last
}
