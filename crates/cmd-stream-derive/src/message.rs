//! Finds the field of a struct that holds the text. Sees only the tokens of types.

use proc_macro2::Ident;
use syn::{Error, Fields, GenericArgument, Path, PathArguments, Type};

use crate::attributes;
use crate::errors::Errors;

/// Returns the index of the field that holds the text: the marked one, or else the only one whose type is a text.
pub(crate) fn message(name: &Ident, fields: &Fields, errors: &mut Errors) -> Option<usize> {
    let marks: Vec<_> = fields
        .iter()
        .enumerate()
        .filter_map(|(index, field)| Some((index, attributes::mark(&field.attrs, errors)?)))
        .collect();
    if let Some((_, second)) = marks.get(1) {
        errors
            .push(Error::new_spanned(second, "two fields are marked with `message`: a failure has one text"));
    }
    if let Some((index, _)) = marks.first() {
        return Some(*index);
    }
    let mut texts = fields.iter().enumerate().filter(|(_, field)| is_text(&field.ty));
    match (texts.next(), texts.next()) {
        (Some((index, _)), None) => Some(index),
        (Some(_), Some((_, second))) => {
            let text = "two fields hold a text: mark one with `#[failure(message)]`";
            errors.push(Error::new_spanned(&second.ty, text));
            None
        }
        (None, _) => {
            let text = format!(
                "no field of `{name}` holds a text: a derived `Failure` needs a field of type `String`; a \
                 field of another type that implements `From<String>` can be marked with `#[failure(message)]`"
            );
            errors.push(Error::new_spanned(name, text));
            None
        }
    }
}

/// Returns whether the type is named `String`, `Box<str>`, `Arc<str>` or `Cow<'_, str>`.
fn is_text(ty: &Type) -> bool {
    let Some(path) = path(ty) else { return false };
    let arguments = path.segments.last().map(|segment| &segment.arguments);
    if is_named(path, &["std", "alloc"], "string", "String") {
        return matches!(arguments, Some(PathArguments::None));
    }
    let holds_text = [("boxed", "Box"), ("sync", "Arc"), ("borrow", "Cow")]
        .iter()
        .any(|(module, name)| is_named(path, &["std", "alloc"], module, name));
    let Some(PathArguments::AngleBracketed(arguments)) = arguments else { return false };
    let mut arguments = arguments.args.iter().skip_while(|argument| is_lifetime(argument));
    holds_text
        && matches!(arguments.next(), Some(GenericArgument::Type(content)) if is_str(content))
        && arguments.next().is_none()
}

fn is_str(ty: &Type) -> bool {
    path(ty).is_some_and(|path| is_named(path, &["std", "core"], "primitive", "str"))
}

fn is_lifetime(argument: &GenericArgument) -> bool {
    matches!(argument, GenericArgument::Lifetime(_))
}

fn path(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(ty) if ty.qself.is_none() => Some(&ty.path),
        // A type passed on by a `macro_rules` macro.
        Type::Group(ty) => path(&ty.elem),
        Type::Paren(ty) => path(&ty.elem),
        _ => None,
    }
}

/// Returns whether the path is `CRATE::MODULE::NAME` or its last segments.
fn is_named(path: &Path, crates: &[&str], module: &str, name: &str) -> bool {
    let mut segments = path.segments.iter().rev().map(|segment| &segment.ident);
    segments.next().is_some_and(|segment| segment == name)
        && segments.next().is_none_or(|segment| segment == module)
        && segments.next().is_none_or(|segment| crates.iter().any(|name| segment == name))
        && segments.next().is_none()
}
