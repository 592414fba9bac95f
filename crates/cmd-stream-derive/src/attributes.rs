//! Reads the attributes `#[failure(..)]` of a struct and its fields. Knows nothing of the generated code.

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Error, LitBool, Meta, Path, Result, Token, token};

use crate::errors::Errors;

/// The options of the struct.
#[derive(Default)]
pub(crate) struct Container {
    /// Whether to implement `Display` and `Error`. The default is to implement them.
    pub(crate) display: Option<bool>,
    /// The path of cmd-stream.
    pub(crate) root: Option<Path>,
}

/// Reads the options of the struct.
pub(crate) fn container(attributes: &[Attribute], errors: &mut Errors) -> Container {
    let mut container = Container::default();
    read(attributes, errors, |name, input| match name.to_string().as_str() {
        "display" => {
            let text = "`display` takes `true` or `false`: `display = false`";
            let value = assigned(name, input, text, |input| input.parse::<LitBool>())?;
            set(&mut container.display, value.value, name)
        }
        "crate" => {
            let text = "`crate` takes the path of cmd-stream: `crate = path::to::cmd_stream`";
            let value = assigned(name, input, text, Path::parse_mod_style)?;
            set(&mut container.root, value, name)
        }
        "message" => {
            let text = "`message` is not an option of a struct: it marks the field that holds the text";
            Err(Error::new_spanned(name, text))
        }
        _ => {
            let text =
                format!("unknown option `{name}`: a struct takes `display = false` and `crate = path`");
            Err(Error::new_spanned(name, text))
        }
    });
    container
}

/// Returns the option `message`, if the field has it.
pub(crate) fn mark(attributes: &[Attribute], errors: &mut Errors) -> Option<Ident> {
    let mut mark = None;
    read(attributes, errors, |name, input| match name.to_string().as_str() {
        "message" if input.peek(Token![=]) || input.peek(token::Paren) => {
            Err(Error::new_spanned(name, "`message` takes no value"))
        }
        "message" => set(&mut mark, name.clone(), name),
        "display" | "crate" => {
            let text = format!("`{name}` is not an option of a field: use it on the struct");
            Err(Error::new_spanned(name, text))
        }
        _ => Err(Error::new_spanned(name, format!("unknown option `{name}`: a field takes `message`"))),
    });
    mark
}

/// Calls `option` for each option, with its name and the input after it. A mistake does not hide those in later
/// options.
fn read(
    attributes: &[Attribute],
    errors: &mut Errors,
    mut option: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("failure")) {
        let Meta::List(list) = &attribute.meta else {
            let text = "expected options in parentheses: `#[failure(..)]`";
            errors.push(Error::new_spanned(&attribute.meta, text));
            continue;
        };
        let parsed = list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                let result = name(input)
                    .and_then(|name| option(&name, input))
                    .and_then(|()| if input.is_empty() { Ok(()) } else { comma(input) });
                if result.is_err() {
                    skip_to_next(input)?;
                }
                errors.note(result);
            }
            Ok(())
        });
        errors.note(parsed);
    }
}

fn name(input: ParseStream<'_>) -> Result<Ident> {
    input.call(Ident::parse_any).map_err(|error| Error::new(error.span(), "expected the name of an option"))
}

fn comma(input: ParseStream<'_>) -> Result<()> {
    match input.parse::<Token![,]>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(error.span(), "expected a comma between options")),
    }
}

/// Parses `= VALUE`.
fn assigned<T>(
    name: &Ident,
    input: ParseStream<'_>,
    text: &str,
    parse: impl FnOnce(ParseStream<'_>) -> Result<T>,
) -> Result<T> {
    if !input.peek(Token![=]) {
        return Err(Error::new_spanned(name, text));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(name, text));
    }
    let at = input.span();
    parse(input).map_err(|_| Error::new(at, text))
}

fn set<T>(place: &mut Option<T>, value: T, name: &Ident) -> Result<()> {
    if place.is_some() {
        return Err(Error::new_spanned(name, format!("duplicate option `{name}`")));
    }
    *place = Some(value);
    Ok(())
}

/// Skips everything up to the next comma, and the comma.
fn skip_to_next(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            return input.parse::<Token![,]>().map(drop);
        }
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
