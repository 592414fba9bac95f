//! Finds the bounds that the fields of a type need on its parameters, as far as their types and encodings tell.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    DeriveInput, GenericArgument, Ident, Lifetime, Path, PathArguments, Type, TypePath, WherePredicate,
    parse_quote,
};

use super::{bytes_lifetime, names};

/// The needs of the fields seen so far.
pub(crate) struct Needs<'a> {
    input: &'a DeriveInput,
    parameters: Vec<Ident>,
    /// Associated types of parameters: `T::Item`, `<T as Trait>::Item`.
    projections: Vec<TypePath>,
    lifetimes: Vec<Lifetime>,
    chosen: Vec<Chosen>,
}

/// A type, and the encoding chosen for it.
struct Chosen {
    value: Type,
    encoding: TokenStream,
    decoding: TokenStream,
}

impl<'a> Needs<'a> {
    pub(crate) fn new(input: &'a DeriveInput) -> Self {
        Self {
            input,
            parameters: Vec::new(),
            projections: Vec::new(),
            lifetimes: Vec::new(),
            chosen: Vec::new(),
        }
    }

    /// Adds a field in the encoding of its type.
    pub(crate) fn plain(&mut self, value: &Type) {
        self.visit(value, false);
    }

    /// Adds a field in an encoding chosen for it. What the encoding needs of a parameter is not known here, so the
    /// bound is on the encoding: `Raw: EncodeAs<T>`. For a type that contains itself, that bound would depend on
    /// itself. Its parameters are then assumed to have their own encoding.
    pub(crate) fn chosen(
        &mut self,
        value: &Type,
        encoding: &TokenStream,
        decoding: &TokenStream,
        borrows: bool,
    ) {
        let before = (self.parameters.len(), self.projections.len());
        self.visit(value, borrows);
        let own_name = self.input.ident.to_string();
        let is_recursive =
            ["Self", &own_name].into_iter().any(|name| names(value.to_token_stream(), name, false));
        if self.is_generic(quote!(#value #encoding)) && !is_recursive {
            self.parameters.truncate(before.0);
            self.projections.truncate(before.1);
            let (value, encoding, decoding) = (value.clone(), encoding.clone(), decoding.clone());
            self.chosen.push(Chosen { value, encoding, decoding });
        }
    }

    /// Returns the predicates for `Encode`.
    pub(crate) fn of_encode(&self, root: &Path) -> Vec<WherePredicate> {
        let plain = self.plain_types().map(|ty| parse_quote!(#ty: #root::Encode));
        let chosen = self
            .chosen
            .iter()
            .map(|Chosen { value, encoding, .. }| parse_quote!(#encoding: #root::encoding::EncodeAs<#value>));
        plain.chain(chosen).collect()
    }

    /// Returns the predicates for `Decode`.
    pub(crate) fn of_decode(&self, root: &Path) -> Vec<WherePredicate> {
        let bytes = bytes_lifetime();
        let borrowed = self.lifetimes.iter().filter(|lifetime| **lifetime != bytes);
        let borrowed = borrowed.map(|lifetime| parse_quote!(#bytes: #lifetime));
        let plain = self.plain_types().map(|ty| parse_quote!(#ty: #root::Decode<#bytes>));
        let chosen = self.chosen.iter().map(|Chosen { value, decoding, .. }| {
            parse_quote!(#decoding: #root::encoding::DecodeAs<#bytes, #value>)
        });
        borrowed.chain(plain).chain(chosen).collect()
    }

    /// Returns the predicates for `Describe`.
    pub(crate) fn of_describe(&self, root: &Path) -> Vec<WherePredicate> {
        let plain = self.plain_types().map(|ty| parse_quote!(#ty: #root::Describe));
        let chosen = self.chosen.iter().map(
            |Chosen { value, encoding, .. }| parse_quote!(#encoding: #root::encoding::DescribeAs<#value>),
        );
        plain.chain(chosen).collect()
    }

    fn plain_types(&self) -> impl Iterator<Item = TokenStream> {
        let parameters = self.parameters.iter().map(ToTokens::to_token_stream);
        parameters.chain(self.projections.iter().map(ToTokens::to_token_stream))
    }

    fn visit(&mut self, value: &Type, borrows: bool) {
        match value {
            Type::Path(path) => self.visit_path(path, borrows),
            Type::Reference(reference) => {
                if let Some(lifetime) = &reference.lifetime {
                    self.visit_lifetime(lifetime);
                }
                self.visit(&reference.elem, borrows);
            }
            Type::Array(array) => self.visit(&array.elem, borrows),
            Type::Slice(slice) => self.visit(&slice.elem, borrows),
            Type::Paren(inner) => self.visit(&inner.elem, borrows),
            Type::Group(inner) => self.visit(&inner.elem, borrows),
            Type::Tuple(tuple) => tuple.elems.iter().for_each(|element| self.visit(element, borrows)),
            // Other types either cannot be encoded, or are macros, whose expansion is not known.
            _ => {}
        }
    }

    fn visit_path(&mut self, path: &TypePath, borrows: bool) {
        let (Some(first), Some(last)) = (path.path.segments.first(), path.path.segments.last()) else {
            return;
        };
        let is_parameter = self.input.generics.type_params().any(|parameter| parameter.ident == first.ident);
        if path.qself.is_some() || is_parameter && path.path.segments.len() > 1 {
            if self.is_generic(path.to_token_stream()) {
                self.projections.push(path.clone());
            }
        } else if is_parameter {
            if !self.parameters.contains(&first.ident) {
                self.parameters.push(first.ident.clone());
            }
        } else if last.ident != "PhantomData" {
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
            // A `Cow` is decoded to an owned one, unless it has the option `borrow`.
            let is_borrowed = last.ident != "Cow" || borrows;
            for argument in &arguments.args {
                match argument {
                    GenericArgument::Lifetime(lifetime) if is_borrowed => self.visit_lifetime(lifetime),
                    GenericArgument::Type(ty) => self.visit(ty, borrows),
                    _ => {}
                }
            }
        }
    }

    fn is_generic(&self, tokens: TokenStream) -> bool {
        self.input
            .generics
            .type_params()
            .any(|parameter| names(tokens.clone(), &parameter.ident.to_string(), false))
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        let is_parameter = self.input.generics.lifetimes().any(|parameter| parameter.lifetime == *lifetime);
        if is_parameter && !self.lifetimes.contains(lifetime) {
            self.lifetimes.push(lifetime.clone());
        }
    }
}
