//! What the attributes `#[mus(..)]` of a type, a variant or a field say. Knows nothing of the code made from it.

mod items;
mod options;

use proc_macro2::{Ident, Span};
use syn::{Attribute, Error, Expr, ExprPath, Path, Type, WherePredicate};

use self::items::{Item, Value};
use self::options::{Place, is_part, is_whole};
use crate::errors::Errors;

/// What is said on a struct or an enum.
#[derive(Default)]
pub(crate) struct Container {
    /// The tag before the fields of a struct.
    pub(crate) tag: Option<i64>,
    /// Checks the whole value.
    pub(crate) validate: Option<ExprPath>,
    /// Stands instead of the where clause that would be generated.
    pub(crate) bounds: Option<Vec<WherePredicate>>,
    /// Where mus-format is found.
    pub(crate) root: Option<Path>,
    /// How fields are written that say nothing else.
    pub(crate) usual: Usual,
}

/// How a value is written where nothing is said of it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Usual {
    /// As its type says.
    #[default]
    Plain,
    /// The same, but all integers inside are raw.
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
                _ => unreachable!("an option that does not stand on a type"),
            }
        }
        container
    }
}

/// The tag that is said on a variant, with the name of the option.
pub(crate) fn tag_of_variant(attributes: &[Attribute], errors: &mut Errors) -> Option<(Ident, i64)> {
    let items = compatible(items::items(attributes, Place::Variant, errors), errors);
    items.into_iter().find_map(|item| match item.value {
        Value::Tag(tag) => Some((item.name, tag)),
        _ => None,
    })
}

/// How a field stands on the wire; nothing if it is not there.
pub(crate) fn encoding_of_field(
    attributes: &[Attribute],
    usual: Usual,
    errors: &mut Errors,
) -> Option<Encoding> {
    let items = compatible(items::items(attributes, Place::Field, errors), errors);
    let is_skipped = items.iter().any(|item| item.name == "skip");
    (!is_skipped).then(|| Encoding::new(items, usual, errors))
}

/// How a value stands on the wire, and what checks it once it is decoded.
pub(crate) struct Encoding {
    pub(crate) how: How,
    /// How those parts are written of which nothing is said.
    pub(crate) usual: Usual,
    pub(crate) validate: Option<ExprPath>,
    /// The first and the last token of what was said of `how`.
    pub(crate) spans: (Span, Span),
}

pub(crate) enum How {
    /// Nothing is said of it.
    Usual,
    /// The name of the option: `raw`, ..
    Named(Ident),
    With(Type),
    Of(Parts),
}

/// How the parts of a value stand on the wire; what is not said is as usual.
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

    /// Whether nothing is said of how the value is written.
    pub(crate) fn is_usual(&self) -> bool {
        matches!(self.how, How::Usual)
    }

    /// Whether values may hold on to the bytes that they were decoded from where their types would not.
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

/// The options that go together with those before them; the others are mistakes.
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

/// Why two options of one place cannot both stand there.
fn contradiction(earlier: &Ident, later: &Ident) -> Option<String> {
    let names = (earlier.to_string(), later.to_string());
    let (earlier, later) = (names.0.as_str(), names.1.as_str());
    let because = if earlier == later {
        return Some(format!("`{later}` stands here twice"));
    } else if earlier == "skip" || later == "skip" {
        "a field that is skipped is not on the wire".to_owned()
    } else if is_whole(earlier) && is_whole(later) {
        "a value has one encoding".to_owned()
    } else if is_whole(earlier) && is_part(later) {
        format!("`{earlier}` is how the whole value is written")
    } else if is_part(earlier) && is_whole(later) {
        format!("`{later}` is how the whole value is written")
    } else {
        return None;
    };
    Some(format!("`{later}` contradicts `{earlier}`: {because}"))
}
