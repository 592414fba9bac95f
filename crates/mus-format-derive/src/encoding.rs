//! Turns the options of a field into the type that encodes it. The tokens of that type carry the spans of the options,
//! so that a missing trait is reported there.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Path};

use crate::attributes::{Encoding, How, Parts, Usual};
use crate::checks::Checks;

/// Returns the type that encodes. It has no validation functions, because nothing is checked when encoding.
pub(crate) fn encoding_type(encoding: &Encoding, root: &Path) -> TokenStream {
    type_of(encoding, root, &mut |part, _| encoding_type(part, root))
}

/// Returns the type that decodes and checks `value`. Validation functions are added to `checks`.
pub(crate) fn decoding_type(
    encoding: &Encoding,
    value: &TokenStream,
    root: &Path,
    checks: &mut Checks,
) -> TokenStream {
    let decodes = type_of(encoding, root, &mut |part, which| {
        let which = Ident::new(which, Span::call_site());
        let value = quote!(<#value as #root::encoding::Elements>::#which);
        decoding_type(part, &value, root, checks)
    });
    let Some(function) = &encoding.validate else { return decodes };
    let check = checks.add(function, value, root);
    quote!(#root::encoding::Checked<#decodes, #check>)
}

/// Returns the encoding without its own check. `type_of_part` returns that of the `Element` or the `Key`.
fn type_of(
    encoding: &Encoding,
    root: &Path,
    type_of_part: &mut dyn FnMut(&Encoding, &str) -> TokenStream,
) -> TokenStream {
    match &encoding.how {
        How::Usual => usual(encoding.usual, root),
        How::With(with) => with.to_token_stream(),
        How::Named(option) if option == "mapped" && encoding.usual != Usual::Plain => {
            let (mapped, inside) = (named(option, root), usual(encoding.usual, root));
            let span = located_at(option.span());
            quote_spanned!(span=> #mapped<#inside>)
        }
        How::Named(option) => named(option, root),
        How::Of(parts) => of(parts, encoding, root, type_of_part),
    }
}

/// Returns the default encoding.
fn usual(usual: Usual, root: &Path) -> TokenStream {
    match usual {
        Usual::Plain => quote!(#root::encoding::Plain),
        Usual::AllRaw => quote!(#root::encoding::AllRaw),
    }
}

/// Returns the type that an option stands for: `Raw` for `raw`.
fn named(option: &Ident, root: &Path) -> TokenStream {
    let span = located_at(option.span());
    let root = located(root, span);
    let text = option.to_string();
    let (first, rest) = text.split_at(1);
    let name = Ident::new(&format!("{}{rest}", first.to_uppercase()), span);
    quote_spanned!(span=> #root::encoding::#name)
}

fn of(
    parts: &Parts,
    encoding: &Encoding,
    root: &Path,
    type_of_part: &mut dyn FnMut(&Encoding, &str) -> TokenStream,
) -> TokenStream {
    let length = match &parts.length {
        Some(option) => named(option, root),
        None => quote!(#root::encoding::Positive),
    };
    let max_length = match &parts.max_length {
        Some(size) => quote!({ #size }),
        None => quote!({ ::core::primitive::usize::MAX }),
    };
    let mut part = |part: &Option<Box<Encoding>>, which| match part {
        Some(encoding) => type_of_part(encoding, which),
        None => usual(encoding.usual, root),
    };
    let element = part(&parts.element, "Element");
    let key = part(&parts.key, "Key");
    // The compiler places a type by its first and last token.
    let (first, last) = (located_at(encoding.spans.0), located_at(encoding.spans.1));
    let root = located(root, first);
    let open = quote_spanned!(first=> #root::encoding::Of<);
    let close = quote_spanned!(last=> >);
    quote!(#open #length, #max_length, #element, #key #close)
}

/// A span of generated code that is shown at another place. All such spans resolve names alike, because the compiler
/// joins only spans that do.
pub(crate) fn located_at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// Moves tokens to another place. Their names still resolve as before.
fn located(tokens: &impl ToTokens, place: Span) -> TokenStream {
    let moved = |mut token: TokenTree| {
        token.set_span(token.span().located_at(place));
        token
    };
    tokens.to_token_stream().into_iter().map(moved).collect()
}
