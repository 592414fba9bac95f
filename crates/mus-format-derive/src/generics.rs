//! The head of each generated `impl`: its parameters and its where clause. Knows nothing of bodies.

pub(crate) mod needs;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, GenericParam, Generics, Ident, Lifetime, LifetimeParam, WherePredicate};

/// `impl GENERICS .. for NAME ARGUMENTS PREDICATES`
pub(crate) struct Header<'a> {
    pub(crate) generics: TokenStream,
    pub(crate) name: &'a Ident,
    pub(crate) arguments: TokenStream,
    pub(crate) predicates: TokenStream,
}

impl<'a> Header<'a> {
    /// The head of an `impl` that needs these predicates, besides those of the type itself.
    pub(crate) fn new(input: &'a DeriveInput, predicates: Vec<WherePredicate>) -> Self {
        Self::with_parameters(input, input.generics.clone(), predicates)
    }

    /// The same with a lifetime more: that of the bytes decoded.
    pub(crate) fn of_decode(input: &'a DeriveInput, predicates: Vec<WherePredicate>) -> Self {
        let mut generics = input.generics.clone();
        let bytes = bytes_lifetime();
        if generics.lifetimes().all(|parameter| parameter.lifetime != bytes) {
            generics.params.insert(0, GenericParam::Lifetime(LifetimeParam::new(bytes)));
        }
        Self::with_parameters(input, generics, predicates)
    }

    fn with_parameters(
        input: &'a DeriveInput,
        mut generics: Generics,
        predicates: Vec<WherePredicate>,
    ) -> Self {
        if !predicates.is_empty() {
            generics.make_where_clause().predicates.extend(predicates);
        }
        let (parameters, _, predicates) = generics.split_for_impl();
        let (_, arguments, _) = input.generics.split_for_impl();
        Self {
            generics: parameters.to_token_stream(),
            name: &input.ident,
            arguments: arguments.to_token_stream(),
            predicates: predicates.to_token_stream(),
        }
    }
}

/// The lifetime of the bytes that are decoded. A type that has a lifetime of this name borrows from them.
pub(crate) fn bytes_lifetime() -> Lifetime {
    Lifetime::new("'de", Span::call_site())
}

/// What is left of predicates where there are no bytes that are decoded: bounds that name their lifetime are dropped.
pub(crate) fn without_bytes_lifetime(predicates: &[WherePredicate]) -> Vec<WherePredicate> {
    let mut kept = predicates.to_vec();
    kept.retain_mut(|predicate| match predicate {
        WherePredicate::Type(predicate) => {
            let bounds = std::mem::take(&mut predicate.bounds);
            predicate.bounds = bounds.into_iter().filter(|bound| !names_bytes_lifetime(bound)).collect();
            !predicate.bounds.is_empty() && !names_bytes_lifetime(&predicate.bounded_ty)
        }
        predicate => !names_bytes_lifetime(predicate),
    });
    kept
}

fn names_bytes_lifetime(tokens: &impl ToTokens) -> bool {
    names(tokens.to_token_stream(), &bytes_lifetime().ident.to_string(), true)
}

/// Whether this name is among the tokens, as that of a lifetime or as any other.
fn names(tokens: TokenStream, name: &str, of_lifetime: bool) -> bool {
    let mut after_quote = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(ident) if ident == name && after_quote == of_lifetime => return true,
            TokenTree::Group(group) if names(group.stream(), name, of_lifetime) => return true,
            _ => {}
        }
        after_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
    }
    false
}
