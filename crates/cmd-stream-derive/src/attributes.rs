//! What the attributes `#[failure(..)]` of a struct or a field say. Knows nothing of the code that is generated.

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Error, LitBool, Meta, Path, Result, Token, token};

use crate::errors::Errors;

/// What is said on the struct.
#[derive(Default)]
pub(crate) struct Container {
    /// Whether `Display` and `Error` are implemented. They are if nothing is said.
    pub(crate) display: Option<bool>,
    /// Where cmd-stream is found.
    pub(crate) root: Option<Path>,
}

/// The options of the struct.
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
            let text = "`message` cannot stand on a struct: it marks the field that holds the text";
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

/// The word `message`, if it stands on the field.
pub(crate) fn mark(attributes: &[Attribute], errors: &mut Errors) -> Option<Ident> {
    let mut mark = None;
    read(attributes, errors, |name, input| match name.to_string().as_str() {
        "message" if input.peek(Token![=]) || input.peek(token::Paren) => {
            Err(Error::new_spanned(name, "`message` takes no value"))
        }
        "message" => set(&mut mark, name.clone(), name),
        "display" | "crate" => {
            let text = format!("`{name}` cannot stand on a field: it stands on the struct");
            Err(Error::new_spanned(name, text))
        }
        _ => Err(Error::new_spanned(name, format!("unknown option `{name}`: a field takes `message`"))),
    });
    mark
}

/// Calls `option` for each option with its name and what follows. A mistake does not hide those in later options.
fn read(
    attributes: &[Attribute],
    errors: &mut Errors,
    mut option: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("failure")) {
        let Meta::List(list) = &attribute.meta else {
            let text = "options stand in parentheses: `#[failure(..)]`";
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
    input
        .call(Ident::parse_any)
        .map_err(|error| Error::new(error.span(), "the name of an option is expected"))
}

fn comma(input: ParseStream<'_>) -> Result<()> {
    match input.parse::<Token![,]>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(error.span(), "a comma is expected between two options")),
    }
}

/// `= VALUE`
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
        return Err(Error::new_spanned(name, format!("`{name}` stands here twice")));
    }
    *place = Some(value);
    Ok(())
}

/// Takes everything up to the next comma, and the comma.
fn skip_to_next(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            return input.parse::<Token![,]>().map(drop);
        }
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
