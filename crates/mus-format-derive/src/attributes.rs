//! The meaning of the attributes `#[mus(..)]` of a type, a variant or a field. Knows nothing of the generated code.

mod items;
mod options;

use proc_macro2::{Ident, Span};
use syn::{Attribute, Error, Expr, ExprPath, Path, Type, WherePredicate};

use self::items::{Item, Value};
use self::options::{Place, is_part, is_whole};
use crate::errors::Errors;

/// The options of a struct or an enum.
#[derive(Default)]
pub(crate) struct Container {
    /// The tag before the fields of a struct.
    pub(crate) tag: Option<i64>,
    /// A function that checks the whole value.
    pub(crate) validate: Option<ExprPath>,
    /// Replaces the predicates that would be generated.
    pub(crate) bounds: Option<Vec<WherePredicate>>,
    /// The path of mus-format.
    pub(crate) root: Option<Path>,
    /// The default encoding of its fields.
    pub(crate) usual: Usual,
}

/// The encoding of a value without options of its own.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Usual {
    /// That of its type.
    #[default]
    Plain,
    /// The same, but with all integers inside raw.
    AllRaw,
}

impl Container {
    pub(crate) fn of_struct(attributes: &[Attribute], errors: &mut Errors) -> Self {
        Self::new(items::items(attributes, Place::Struct, errors), errors)
    }

    pub(crate) fn of_enum(attributes: &[Attribute], errors: &mut Errors) -> Self {
        Self::new(items::items(attributes, Place::Enum, errors), errors)
    }

    fn new(items: Vec<Item>, errors: &mut Errors) -> Self {
        let mut container = Self::default();
        for Item { value, .. } in compatible(items, errors) {
            match value {
                Value::Tag(tag) => container.tag = Some(tag),
                Value::Function(function) => container.validate = Some(function),
                Value::Bounds(bounds) => container.bounds = Some(bounds),
                Value::Root(root) => container.root = Some(root),
                Value::Nothing => container.usual = Usual::AllRaw,
                _ => unreachable!("an option that is not one of types"),
            }
        }
        container
    }
}

/// Returns the tag in a variant's attributes, with the name of the option.
pub(crate) fn tag_of_variant(attributes: &[Attribute], errors: &mut Errors) -> Option<(Ident, i64)> {
    let items = compatible(items::items(attributes, Place::Variant, errors), errors);
    items.into_iter().find_map(|item| match item.value {
        Value::Tag(tag) => Some((item.name, tag)),
        _ => None,
    })
}

/// Returns how a field is encoded, or `None` if it is skipped.
pub(crate) fn encoding_of_field(
    attributes: &[Attribute],
    usual: Usual,
    errors: &mut Errors,
) -> Option<Encoding> {
    let items = compatible(items::items(attributes, Place::Field, errors), errors);
    let is_skipped = items.iter().any(|item| item.name == "skip");
    (!is_skipped).then(|| Encoding::new(items, usual, errors))
}

/// How a value is encoded, and the function that checks it once it is decoded.
pub(crate) struct Encoding {
    pub(crate) how: How,
    /// The encoding of parts without options.
    pub(crate) usual: Usual,
    pub(crate) validate: Option<ExprPath>,
    /// The spans of the first and the last token that `how` comes from.
    pub(crate) spans: (Span, Span),
}

pub(crate) enum How {
    /// No option.
    Usual,
    /// An option such as `raw`, by its name.
    Named(Ident),
    With(Type),
    Of(Parts),
}

/// How the parts of a value are encoded. `None` is the default.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) length: Option<Ident>,
    pub(crate) max_length: Option<Expr>,
    pub(crate) element: Option<Box<Encoding>>,
    pub(crate) key: Option<Box<Encoding>>,
}

impl Encoding {
    fn new(items: Vec<Item>, usual: Usual, errors: &mut Errors) -> Self {
        let spans = (Span::call_site(), Span::call_site());
        let mut encoding = Self { how: How::Usual, usual, validate: None, spans };
        for Item { name, value, end } in items {
            if let Value::Function(function) = value {
                encoding.validate = Some(function);
                continue;
            }
            if matches!(encoding.how, How::Usual) {
                encoding.spans.0 = name.span();
            }
            encoding.spans.1 = end;
            match value {
                Value::Nothing => encoding.how = How::Named(name),
                Value::Encoding(with) => encoding.how = How::With(*with),
                value => encoding.parts().set(&name, value, usual, errors),
            }
        }
        encoding
    }

    /// Returns whether the value has its default encoding.
    pub(crate) fn is_usual(&self) -> bool {
        matches!(self.how, How::Usual)
    }

    /// Returns whether decoded values may borrow from the bytes although their types do not by default.
    pub(crate) fn borrows(&self) -> bool {
        match &self.how {
            How::Usual => false,
            How::Named(name) => name == "borrow",
            How::With(_) => true,
            How::Of(parts) => [&parts.element, &parts.key].into_iter().flatten().any(|part| part.borrows()),
        }
    }

    fn parts(&mut self) -> &mut Parts {
        if !matches!(self.how, How::Of(_)) {
            self.how = How::Of(Parts::default());
        }
        let How::Of(parts) = &mut self.how else { unreachable!("it was just made so") };
        parts
    }
}

impl Parts {
    fn set(&mut self, name: &Ident, value: Value, usual: Usual, errors: &mut Errors) {
        match value {
            Value::LengthEncoding(encoding) => self.length = Some(encoding),
            Value::Size(size) => self.max_length = Some(size),
            Value::Options(items) => {
                let part = Some(Box::new(Encoding::new(compatible(items, errors), usual, errors)));
                if name == "key" {
                    self.key = part;
                } else {
                    self.element = part;
                }
            }
            _ => unreachable!("an option that is not about a part"),
        }
    }
}

/// Keeps the options that are compatible with those before them; the others are mistakes.
fn compatible(items: Vec<Item>, errors: &mut Errors) -> Vec<Item> {
    let mut kept: Vec<Item> = Vec::new();
    for item in items {
        match kept.iter().find_map(|earlier| contradiction(&earlier.name, &item.name)) {
            Some(text) => errors.push(Error::new_spanned(&item.name, text)),
            None => kept.push(item),
        }
    }
    kept
}

/// Returns why two options cannot be combined, if they cannot.
fn contradiction(earlier: &Ident, later: &Ident) -> Option<String> {
    let names = (earlier.to_string(), later.to_string());
    let (earlier, later) = (names.0.as_str(), names.1.as_str());
    let because = if earlier == later {
        return Some(format!("duplicate option `{later}`"));
    } else if earlier == "skip" || later == "skip" {
        "a skipped field is not on the wire".to_owned()
    } else if is_whole(earlier) && is_whole(later) {
        "a value has one encoding".to_owned()
    } else if is_whole(earlier) && is_part(later) {
        format!("`{earlier}` encodes the whole value")
    } else if is_part(earlier) && is_whole(later) {
        format!("`{later}` encodes the whole value")
    } else {
        return None;
    };
    Some(format!("`{later}` conflicts with `{earlier}`: {because}"))
}
