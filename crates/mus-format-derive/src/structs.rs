//! Structs: the tag, if the type has one, then the fields.

use quote::quote;
use syn::{DataStruct, Path};

use crate::Bodies;
use crate::attributes::Container;
use crate::checks::Checks;
use crate::errors::Errors;
use crate::fields;
use crate::generics::needs::Needs;

pub(crate) fn bodies(
    data: &DataStruct,
    container: &Container,
    root: &Path,
    needs: &mut Needs<'_>,
    checks: &mut Checks,
    errors: &mut Errors,
) -> Bodies {
    let fields = fields::fields(&data.fields, container.usual, root, needs, checks, errors);
    let encode = fields::encode(&fields, |field| {
        let member = &field.member;
        quote!(&self.#member)
    });
    let values = fields::decode(&fields);
    let shapes = fields::shapes(&fields);
    let parts = fields::parts(&fields);
    match container.tag {
        None => Bodies {
            has_bytes: fields::has_bytes(&fields),
            encode,
            decode: quote!(Self #values),
            shape: quote!(#root::Shape::fields(#shapes)),
            description: quote!(#root::Description::fields(#parts)),
        },
        Some(tag) => Bodies {
            has_bytes: quote!(true),
            encode: quote! {
                #root::Output::tag(__out, #tag);
                #encode
            },
            decode: quote! {{
                __reader.expect_tag(#tag)?;
                Self #values
            }},
            shape: quote!(#root::Shape::tagged(#tag, #shapes)),
            description: quote!(#root::Description::tagged(#tag, #parts)),
        },
    }
}
