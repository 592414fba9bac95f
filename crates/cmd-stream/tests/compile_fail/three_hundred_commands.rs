// compiles
//! A large Protocol stays under the compiler's recursion limit, also where entries are given names.

use cmd_stream::{Command, Execute, Failed, Json, Protocol, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};

struct Receiver;

#[derive(Serialize, Deserialize)]
struct Done;
impl Reply for Done {}

macro_rules! commands {
    ($($name:ident)*) => { $(
        #[derive(Serialize, Deserialize)]
        struct $name;
        impl Command for $name {
            type Reply = Done;
        }
        impl Execute<Receiver> for $name {
            async fn execute(self, _: &Receiver, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
                proxy.send(Done).await
            }
        }
    )* };
}

commands! {
    C0 C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C27
    C28 C29 C30 C31 C32 C33 C34 C35 C36 C37 C38 C39 C40 C41 C42 C43 C44 C45 C46 C47 C48 C49 C50 C51 C52 C53
    C54 C55 C56 C57 C58 C59 C60 C61 C62 C63 C64 C65 C66 C67 C68 C69 C70 C71 C72 C73 C74 C75 C76 C77 C78 C79
    C80 C81 C82 C83 C84 C85 C86 C87 C88 C89 C90 C91 C92 C93 C94 C95 C96 C97 C98 C99 C100 C101 C102 C103
    C104 C105 C106 C107 C108 C109 C110 C111 C112 C113 C114 C115 C116 C117 C118 C119 C120 C121 C122 C123
    C124 C125 C126 C127 C128 C129 C130 C131 C132 C133 C134 C135 C136 C137 C138 C139 C140 C141 C142 C143
    C144 C145 C146 C147 C148 C149 C150 C151 C152 C153 C154 C155 C156 C157 C158 C159 C160 C161 C162 C163
    C164 C165 C166 C167 C168 C169 C170 C171 C172 C173 C174 C175 C176 C177 C178 C179 C180 C181 C182 C183
    C184 C185 C186 C187 C188 C189 C190 C191 C192 C193 C194 C195 C196 C197 C198 C199 C200 C201 C202 C203
    C204 C205 C206 C207 C208 C209 C210 C211 C212 C213 C214 C215 C216 C217 C218 C219 C220 C221 C222 C223
    C224 C225 C226 C227 C228 C229 C230 C231 C232 C233 C234 C235 C236 C237 C238 C239 C240 C241 C242 C243
    C244 C245 C246 C247 C248 C249 C250 C251 C252 C253 C254 C255 C256 C257 C258 C259 C260 C261 C262 C263
    C264 C265 C266 C267 C268 C269 C270 C271 C272 C273 C274 C275 C276 C277 C278 C279 C280 C281 C282 C283
    C284 C285 C286 C287 C288 C289 C290 C291 C292 C293 C294 C295 C296 C297 C298 C299
}

protocol! {
    struct Large {
        commands {
            0 => C0, 1 => C1, 2 => C2, 3 => C3, 4 => C4, 5 => C5, 6 => C6, 7 => C7, 8 => C8, 9 => C9,
            10 => C10, 11 => C11, 12 => C12, 13 => C13, 14 => C14, 15 => C15, 16 => C16, 17 => C17,
            18 => C18, 19 => C19, 20 => C20, 21 => C21, 22 => C22, 23 => C23, 24 => C24, 25 => C25,
            26 => C26, 27 => C27, 28 => C28, 29 => C29, 30 => C30, 31 => C31, 32 => C32, 33 => C33,
            34 => C34, 35 => C35, 36 => C36, 37 => C37, 38 => C38, 39 => C39, 40 => C40, 41 => C41,
            42 => C42, 43 => C43, 44 => C44, 45 => C45, 46 => C46, 47 => C47, 48 => C48, 49 => C49,
            50 => C50, 51 => C51, 52 => C52, 53 => C53, 54 => C54, 55 => C55, 56 => C56, 57 => C57,
            58 => C58, 59 => C59, 60 => C60, 61 => C61, 62 => C62, 63 => C63, 64 => C64, 65 => C65,
            66 => C66, 67 => C67, 68 => C68, 69 => C69, 70 => C70, 71 => C71, 72 => C72, 73 => C73,
            74 => C74, 75 => C75, 76 => C76, 77 => C77, 78 => C78, 79 => C79, 80 => C80, 81 => C81,
            82 => C82, 83 => C83, 84 => C84, 85 => C85, 86 => C86, 87 => C87, 88 => C88, 89 => C89,
            90 => C90, 91 => C91, 92 => C92, 93 => C93, 94 => C94, 95 => C95, 96 => C96, 97 => C97,
            98 => C98, 99 => C99, 100 => C100, 101 => C101, 102 => C102, 103 => C103, 104 => C104,
            105 => C105, 106 => C106, 107 => C107, 108 => C108, 109 => C109, 110 => C110, 111 => C111,
            112 => C112, 113 => C113, 114 => C114, 115 => C115, 116 => C116, 117 => C117, 118 => C118,
            119 => C119, 120 => C120, 121 => C121, 122 => C122, 123 => C123, 124 => C124, 125 => C125,
            126 => C126, 127 => C127, 128 => C128, 129 => C129, 130 => C130, 131 => C131, 132 => C132,
            133 => C133, 134 => C134, 135 => C135, 136 => C136, 137 => C137, 138 => C138, 139 => C139,
            140 => C140, 141 => C141, 142 => C142, 143 => C143, 144 => C144, 145 => C145, 146 => C146,
            147 => C147, 148 => C148, 149 => C149, 150 => C150 as Named150, 151 => C151 as Named151, 152 => C152 as Named152, 153 => C153 as Named153,
            154 => C154 as Named154, 155 => C155 as Named155, 156 => C156 as Named156, 157 => C157 as Named157, 158 => C158 as Named158, 159 => C159 as Named159, 160 => C160 as Named160,
            161 => C161 as Named161, 162 => C162 as Named162, 163 => C163 as Named163, 164 => C164 as Named164, 165 => C165 as Named165, 166 => C166 as Named166, 167 => C167 as Named167,
            168 => C168 as Named168, 169 => C169 as Named169, 170 => C170 as Named170, 171 => C171 as Named171, 172 => C172 as Named172, 173 => C173 as Named173, 174 => C174 as Named174,
            175 => C175 as Named175, 176 => C176 as Named176, 177 => C177 as Named177, 178 => C178 as Named178, 179 => C179 as Named179, 180 => C180 as Named180, 181 => C181 as Named181,
            182 => C182 as Named182, 183 => C183 as Named183, 184 => C184 as Named184, 185 => C185 as Named185, 186 => C186 as Named186, 187 => C187 as Named187, 188 => C188 as Named188,
            189 => C189 as Named189, 190 => C190 as Named190, 191 => C191 as Named191, 192 => C192 as Named192, 193 => C193 as Named193, 194 => C194 as Named194, 195 => C195 as Named195,
            196 => C196 as Named196, 197 => C197 as Named197, 198 => C198 as Named198, 199 => C199 as Named199, 200 => C200 as Named200, 201 => C201 as Named201, 202 => C202 as Named202,
            203 => C203 as Named203, 204 => C204 as Named204, 205 => C205 as Named205, 206 => C206 as Named206, 207 => C207 as Named207, 208 => C208 as Named208, 209 => C209 as Named209,
            210 => C210 as Named210, 211 => C211 as Named211, 212 => C212 as Named212, 213 => C213 as Named213, 214 => C214 as Named214, 215 => C215 as Named215, 216 => C216 as Named216,
            217 => C217 as Named217, 218 => C218 as Named218, 219 => C219 as Named219, 220 => C220 as Named220, 221 => C221 as Named221, 222 => C222 as Named222, 223 => C223 as Named223,
            224 => C224 as Named224, 225 => C225 as Named225, 226 => C226 as Named226, 227 => C227 as Named227, 228 => C228 as Named228, 229 => C229 as Named229, 230 => C230 as Named230,
            231 => C231 as Named231, 232 => C232 as Named232, 233 => C233 as Named233, 234 => C234 as Named234, 235 => C235 as Named235, 236 => C236 as Named236, 237 => C237 as Named237,
            238 => C238 as Named238, 239 => C239 as Named239, 240 => C240 as Named240, 241 => C241 as Named241, 242 => C242 as Named242, 243 => C243 as Named243, 244 => C244 as Named244,
            245 => C245 as Named245, 246 => C246 as Named246, 247 => C247 as Named247, 248 => C248 as Named248, 249 => C249 as Named249, 250 => C250 as Named250, 251 => C251 as Named251,
            252 => C252 as Named252, 253 => C253 as Named253, 254 => C254 as Named254, 255 => C255 as Named255, 256 => C256 as Named256, 257 => C257 as Named257, 258 => C258 as Named258,
            259 => C259 as Named259, 260 => C260 as Named260, 261 => C261 as Named261, 262 => C262 as Named262, 263 => C263 as Named263, 264 => C264 as Named264, 265 => C265 as Named265,
            266 => C266 as Named266, 267 => C267 as Named267, 268 => C268 as Named268, 269 => C269 as Named269, 270 => C270 as Named270, 271 => C271 as Named271, 272 => C272 as Named272,
            273 => C273 as Named273, 274 => C274 as Named274, 275 => C275 as Named275, 276 => C276 as Named276, 277 => C277 as Named277, 278 => C278 as Named278, 279 => C279 as Named279,
            280 => C280 as Named280, 281 => C281 as Named281, 282 => C282 as Named282, 283 => C283 as Named283, 284 => C284 as Named284, 285 => C285 as Named285, 286 => C286 as Named286,
            287 => C287 as Named287, 288 => C288 as Named288, 289 => C289 as Named289, 290 => C290 as Named290, 291 => C291 as Named291, 292 => C292 as Named292, 293 => C293 as Named293,
            294 => C294 as Named294, 295 => C295 as Named295, 296 => C296 as Named296, 297 => C297 as Named297, 298 => C298 as Named298, 299 => C299 as Named299,
        }
        replies { 0 => Done }
    }
}

const _: () = assert!(Large::COMMANDS.len() == 300 && Large::COMMANDS[299].tag.get() == 299);

pub async fn server() {
    let _ = Server::bind("127.0.0.1:9000", Large, Json, Receiver).await;
}

fn main() {}
