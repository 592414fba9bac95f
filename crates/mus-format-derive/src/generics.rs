//! The header of each generated `impl`: its parameters and where clause. Knows nothing of bodies.

pub(crate) mod needs;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    DeriveInput, GenericParam, Generics, Ident, Lifetime, LifetimeParam, Path, PathArguments, TypeParamBound,
    WherePredicate, parse_quote,
};

/// The pieces of `impl GENERICS .. for NAME ARGUMENTS PREDICATES`.
pub(crate) struct Header<'a> {
    pub(crate) generics: TokenStream,
    pub(crate) name: &'a Ident,
    pub(crate) arguments: TokenStream,
    pub(crate) predicates: TokenStream,
}

impl<'a> Header<'a> {
    /// Creates the header of an `impl` with these predicates beside those of the type.
    pub(crate) fn new(input: &'a DeriveInput, predicates: Vec<WherePredicate>) -> Self {
        Self::with_parameters(input, input.generics.clone(), predicates)
    }

    /// The same with one more lifetime: that of the bytes decoded.
    pub(crate) fn of_decode(input: &'a DeriveInput, predicates: Vec<WherePredicate>) -> Self {
        let mut generics = input.generics.clone();
        let bytes = bytes_lifetime();
        if generics.lifetimes().all(|parameter| parameter.lifetime != bytes) {
            generics.params.insert(0, GenericParam::Lifetime(LifetimeParam::new(bytes)));
        }
        Self::with_parameters(input, generics, predicates)
    }

    /// Creates the header of an `impl` for the type with all lifetimes `'static`. The body must be passed through
    /// [`with_static_lifetimes`] too.
    pub(crate) fn of_describe(input: &'a DeriveInput, predicates: Vec<WherePredicate>) -> Self {
        let mut generics = input.generics.clone();
        for parameter in generics.type_params_mut() {
            parameter.bounds.push(parse_quote!('static));
        }
        generics.make_where_clause().predicates.extend(predicates);
        let (_, arguments, predicates) = generics.split_for_impl();
        let (arguments, predicates) = (arguments.to_token_stream(), predicates.to_token_stream());
        let mut parameters = generics.clone();
        parameters.params =
            parameters.params.into_iter().filter(|it| !matches!(it, GenericParam::Lifetime(_))).collect();
        let (parameters, _, _) = parameters.split_for_impl();
        let adapt = |tokens| with_static_lifetimes(tokens, input);
        Self {
            generics: adapt(parameters.to_token_stream()),
            name: &input.ident,
            arguments: adapt(arguments),
            predicates: adapt(predicates),
        }
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

/// Returns the lifetime of the bytes that are decoded. A type with a lifetime of this name borrows from them.
pub(crate) fn bytes_lifetime() -> Lifetime {
    Lifetime::new("'de", Span::call_site())
}

/// Drops the bounds that name the lifetime of the bytes, for traits that do not decode.
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

/// Replaces each lifetime that is a parameter of the type by `'static`.
pub(crate) fn with_static_lifetimes(tokens: TokenStream, input: &DeriveInput) -> TokenStream {
    let is_parameter = |name: &Ident| input.generics.lifetimes().any(|it| it.lifetime.ident == *name);
    let mut after_quote = false;
    let replaced = tokens.into_iter().map(|token| {
        let is_lifetime = after_quote;
        after_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        match token {
            TokenTree::Ident(name) if is_lifetime && is_parameter(&name) => {
                TokenTree::Ident(Ident::new("static", name.span()))
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_static_lifetimes(group.stream(), input));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            token => token,
        }
    });
    replaced.collect()
}

/// Adds to the user's predicates: what they require to be `Encode` or `Decode` must be `Describe`.
pub(crate) fn of_describe(predicates: &[WherePredicate], root: &Path) -> Vec<WherePredicate> {
    let mut described = Vec::new();
    for predicate in predicates {
        let WherePredicate::Type(predicate) = predicate else { continue };
        let bounded = &predicate.bounded_ty;
        for bound in &predicate.bounds {
            let TypeParamBound::Trait(bound) = bound else { continue };
            let Some(last) = bound.path.segments.last() else { continue };
            if last.ident == "Encode" || last.ident == "Decode" || last.ident == "DecodeOwned" {
                described.push(parse_quote!(#bounded: #root::Describe));
            } else if let (true, PathArguments::AngleBracketed(arguments)) =
                (last.ident == "EncodeAs" || last.ident == "DecodeAs", &last.arguments)
            {
                let value = arguments.args.last();
                described.push(parse_quote!(#bounded: #root::encoding::DescribeAs<#value>));
            }
        }
    }
    described.extend(without_bytes_lifetime(predicates));
    described
}

fn names_bytes_lifetime(tokens: &impl ToTokens) -> bool {
    names(tokens.to_token_stream(), &bytes_lifetime().ident.to_string(), true)
}

/// Returns whether the tokens contain this name, either as a lifetime or as anything else.
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
