// compiles
//! A service by its trait, with names that could be mistaken for others.

#![deny(warnings, missing_docs, unreachable_pub, elided_lifetimes_in_paths, private_interfaces, private_bounds)]

/// A Reply.
#[derive(::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize)]
pub struct Done {
    /// Whether no more follow.
    pub last: bool,
}

impl ::cmd_stream::Reply for Done {
    fn is_last(&self) -> bool {
        self.last
    }
}

/// A trait with the names of others.
pub mod names {
    use crate::Done;

    /// Not a type parameter.
    pub type F = u8;
    /// Not the prelude's.
    pub type Result = u8;
    /// Not the prelude's.
    pub type Option = u8;

    ::cmd_stream::service! {
        /// A service.
        pub trait Service in Names {
            /// Says that it is done.
            0 => fn send(f: F, result: Result, option: Option) -> Done;
            1 => fn r#match(context: super::names::F, given: ::std::vec::Vec<F>) -> super::Done;
            2 => stream fn stream(r#type: F, proxy: F) -> Done;
            3 => post fn post(receiver: F, command: F, sender: F);
            4 => fn new() -> Done;
            5 => fn clone() -> Done;
            6 => fn sender() -> Done;
            7 => fn fmt(__f: F) -> Done;
            8 => fn camel_2_case() -> Done;
            /// Nothing, for a while.
            9 => #[doc(alias = "sleep")] fn answer(
                /// In ms.
                for_ms: u64,
            ) -> Done;
        }
        commands #[derive(::core::fmt::Debug)] #[derive(::serde::Serialize, ::serde::Deserialize)]
        replies { 0 => Done }
        failure close_connection
    }
}

/// Private all through.
mod private {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Secret(String);

    cmd_stream::service! {
        trait Vault in Vaults {
            0 => fn open(code: Secret) -> Secret;
        }
        commands #[derive(Serialize, Deserialize)]
        replies { 0 => Secret }
        failure close_connection
    }

    struct Empty;

    impl Vault for Empty {
        async fn open(&self, code: Secret, _: &cmd_stream::Context<'_>) -> Result<Secret, cmd_stream::Failed> {
            Ok(code)
        }
    }

    pub(super) async fn both() -> Result<(), cmd_stream::Error> {
        let server = cmd_stream::Server::bind("127.0.0.1:0", Vaults, cmd_stream::Json, Empty).await?;
        let address = server.handle().local_addr().to_string();
        let vault = VaultClient(cmd_stream::Sender::connect(address, Vaults, cmd_stream::Json).await?);
        let Secret(_) = vault.open(Secret("1234".into())).await?;
        Ok(())
    }
}

/// Inside of a function.
pub fn local() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Local;

    cmd_stream::service! {
        trait Service in Locals {
            0 => fn call(local: Local) -> Local;
        }
        commands #[derive(serde::Serialize, serde::Deserialize)]
        replies { 0 => Local }
        failure close_connection
    }

    impl Service for () {
        async fn call(&self, local: Local, _: &cmd_stream::Context<'_>) -> Result<Local, cmd_stream::Failed> {
            Ok(local)
        }
    }
    let _ = cmd_stream::Server::builder(Locals, cmd_stream::Json, ());
}

/// 200 methods.
pub mod many {
    #![allow(missing_docs, reason = "a macro cannot write 200 comments")]

    use crate::Done;

    macro_rules! many {
        ($($tag:literal $name:ident)*) => {
            cmd_stream::service! {
                pub trait Many in Manifold { $( $tag => fn $name(n: u32) -> Done; )* }
                commands #[derive(serde::Serialize, serde::Deserialize)]
                replies { 0 => Done }
                failure close_connection
            }
        };
    }
    many! {
        0 m0 1 m1 2 m2 3 m3 4 m4 5 m5 6 m6 7 m7 8 m8 9 m9 10 m10 11 m11 12 m12 13 m13 14 m14 15 m15 16 m16
        17 m17 18 m18 19 m19 20 m20 21 m21 22 m22 23 m23 24 m24 25 m25 26 m26 27 m27 28 m28 29 m29 30 m30
        31 m31 32 m32 33 m33 34 m34 35 m35 36 m36 37 m37 38 m38 39 m39 40 m40 41 m41 42 m42 43 m43 44 m44
        45 m45 46 m46 47 m47 48 m48 49 m49 50 m50 51 m51 52 m52 53 m53 54 m54 55 m55 56 m56 57 m57 58 m58
        59 m59 60 m60 61 m61 62 m62 63 m63 64 m64 65 m65 66 m66 67 m67 68 m68 69 m69 70 m70 71 m71 72 m72
        73 m73 74 m74 75 m75 76 m76 77 m77 78 m78 79 m79 80 m80 81 m81 82 m82 83 m83 84 m84 85 m85 86 m86
        87 m87 88 m88 89 m89 90 m90 91 m91 92 m92 93 m93 94 m94 95 m95 96 m96 97 m97 98 m98 99 m99 100 m100
        101 m101 102 m102 103 m103 104 m104 105 m105 106 m106 107 m107 108 m108 109 m109 110 m110 111 m111
        112 m112 113 m113 114 m114 115 m115 116 m116 117 m117 118 m118 119 m119 120 m120 121 m121 122 m122
        123 m123 124 m124 125 m125 126 m126 127 m127 128 m128 129 m129 130 m130 131 m131 132 m132 133 m133
        134 m134 135 m135 136 m136 137 m137 138 m138 139 m139 140 m140 141 m141 142 m142 143 m143 144 m144
        145 m145 146 m146 147 m147 148 m148 149 m149 150 m150 151 m151 152 m152 153 m153 154 m154 155 m155
        156 m156 157 m157 158 m158 159 m159 160 m160 161 m161 162 m162 163 m163 164 m164 165 m165 166 m166
        167 m167 168 m168 169 m169 170 m170 171 m171 172 m172 173 m173 174 m174 175 m175 176 m176 177 m177
        178 m178 179 m179 180 m180 181 m181 182 m182 183 m183 184 m184 185 m185 186 m186 187 m187 188 m188
        189 m189 190 m190 191 m191 192 m192 193 m193 194 m194 195 m195 196 m196 197 m197 198 m198 199 m199
    }
}

fn main() {
    let _ = private::both();
    local();
}
