// compiles
//! A large Protocol stays under the compiler's recursion limit: with arrows and without, also where entries are given
//! names or Replies are paths.

use cmd_stream::protocol::Protocol;
use cmd_stream::{Answer, Context, Failed, Json, Sender, Server, protocol};
use serde::{Deserialize, Serialize};

struct Receiver;

#[derive(Serialize, Deserialize)]
struct Done;

macro_rules! commands {
    ($($name:ident)*) => { $(
        #[derive(Serialize, Deserialize)]
        struct $name;
        impl Answer<Receiver> for $name {
            async fn answer(self, _: &Receiver, _: &Context<'_>) -> Result<Done, Failed> {
                Ok(Done)
            }
        }
    )* };
}

commands! {
    C0 C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C27 C28
    C29 C30 C31 C32 C33 C34 C35 C36 C37 C38 C39 C40 C41 C42 C43 C44 C45 C46 C47 C48 C49 C50 C51 C52 C53 C54
    C55 C56 C57 C58 C59 C60 C61 C62 C63 C64 C65 C66 C67 C68 C69 C70 C71 C72 C73 C74 C75 C76 C77 C78 C79 C80
    C81 C82 C83 C84 C85 C86 C87 C88 C89 C90 C91 C92 C93 C94 C95 C96 C97 C98 C99 C100 C101 C102 C103 C104 C105
    C106 C107 C108 C109 C110 C111 C112 C113 C114 C115 C116 C117 C118 C119 C120 C121 C122 C123 C124 C125 C126
    C127 C128 C129 C130 C131 C132 C133 C134 C135 C136 C137 C138 C139 C140 C141 C142 C143 C144 C145 C146 C147
    C148 C149 C150 C151 C152 C153 C154 C155 C156 C157 C158 C159 C160 C161 C162 C163 C164 C165 C166 C167 C168
    C169 C170 C171 C172 C173 C174 C175 C176 C177 C178 C179 C180 C181 C182 C183 C184 C185 C186 C187 C188 C189
    C190 C191 C192 C193 C194 C195 C196 C197 C198 C199 C200 C201 C202 C203 C204 C205 C206 C207 C208 C209 C210
    C211 C212 C213 C214 C215 C216 C217 C218 C219 C220 C221 C222 C223 C224 C225 C226 C227 C228 C229 C230 C231
    C232 C233 C234 C235 C236 C237 C238 C239 C240 C241 C242 C243 C244 C245 C246 C247 C248 C249 C250 C251 C252
    C253 C254 C255 C256 C257 C258 C259 C260 C261 C262 C263 C264 C265 C266 C267 C268 C269 C270 C271 C272 C273
    C274 C275 C276 C277 C278 C279 C280 C281 C282 C283 C284 C285 C286 C287 C288 C289 C290 C291 C292 C293 C294
    C295 C296 C297 C298 C299
}

protocol! {
    struct Large {
        commands {
            0 => C0 -> Done, 1 => C1 -> Done, 2 => C2 -> Done, 3 => C3 -> Done, 4 => C4 -> Done,
            5 => C5 -> Done, 6 => C6 -> Done, 7 => C7 -> Done, 8 => C8 -> Done, 9 => C9 -> Done,
            10 => C10 -> Done, 11 => C11 -> Done, 12 => C12 -> Done, 13 => C13 -> Done, 14 => C14 -> Done,
            15 => C15 -> Done, 16 => C16 -> Done, 17 => C17 -> Done, 18 => C18 -> Done, 19 => C19 -> Done,
            20 => C20 -> Done, 21 => C21 -> Done, 22 => C22 -> Done, 23 => C23 -> Done, 24 => C24 -> Done,
            25 => C25 -> Done, 26 => C26 -> Done, 27 => C27 -> Done, 28 => C28 -> Done, 29 => C29 -> Done,
            30 => C30 -> Done, 31 => C31 -> Done, 32 => C32 -> Done, 33 => C33 -> Done, 34 => C34 -> Done,
            35 => C35 -> Done, 36 => C36 -> Done, 37 => C37 -> Done, 38 => C38 -> Done, 39 => C39 -> Done,
            40 => C40 -> Done, 41 => C41 -> Done, 42 => C42 -> Done, 43 => C43 -> Done, 44 => C44 -> Done,
            45 => C45 -> Done, 46 => C46 -> Done, 47 => C47 -> Done, 48 => C48 -> Done, 49 => C49 -> Done,
            50 => C50 -> Done, 51 => C51 -> Done, 52 => C52 -> Done, 53 => C53 -> Done, 54 => C54 -> Done,
            55 => C55 -> Done, 56 => C56 -> Done, 57 => C57 -> Done, 58 => C58 -> Done, 59 => C59 -> Done,
            60 => C60 -> Done, 61 => C61 -> Done, 62 => C62 -> Done, 63 => C63 -> Done, 64 => C64 -> Done,
            65 => C65 -> Done, 66 => C66 -> Done, 67 => C67 -> Done, 68 => C68 -> Done, 69 => C69 -> Done,
            70 => C70 -> Done, 71 => C71 -> Done, 72 => C72 -> Done, 73 => C73 -> Done, 74 => C74 -> Done,
            75 => C75 -> Done, 76 => C76 -> Done, 77 => C77 -> Done, 78 => C78 -> Done, 79 => C79 -> Done,
            80 => C80 -> Done, 81 => C81 -> Done, 82 => C82 -> Done, 83 => C83 -> Done, 84 => C84 -> Done,
            85 => C85 -> Done, 86 => C86 -> Done, 87 => C87 -> Done, 88 => C88 -> Done, 89 => C89 -> Done,
            90 => C90 -> Done, 91 => C91 -> Done, 92 => C92 -> Done, 93 => C93 -> Done, 94 => C94 -> Done,
            95 => C95 -> Done, 96 => C96 -> Done, 97 => C97 -> Done, 98 => C98 -> Done, 99 => C99 -> Done,
            100 => C100 -> Done, 101 => C101 -> Done, 102 => C102 -> Done, 103 => C103 -> Done,
            104 => C104 -> Done, 105 => C105 -> Done, 106 => C106 -> Done, 107 => C107 -> Done,
            108 => C108 -> Done, 109 => C109 -> Done, 110 => C110 -> Done, 111 => C111 -> Done,
            112 => C112 -> Done, 113 => C113 -> Done, 114 => C114 -> Done, 115 => C115 -> Done,
            116 => C116 -> Done, 117 => C117 -> Done, 118 => C118 -> Done, 119 => C119 -> Done,
            120 => C120 -> Done, 121 => C121 -> Done, 122 => C122 -> Done, 123 => C123 -> Done,
            124 => C124 -> Done, 125 => C125 -> Done, 126 => C126 -> Done, 127 => C127 -> Done,
            128 => C128 -> Done, 129 => C129 -> Done, 130 => C130 -> Done, 131 => C131 -> Done,
            132 => C132 -> Done, 133 => C133 -> Done, 134 => C134 -> Done, 135 => C135 -> Done,
            136 => C136 -> Done, 137 => C137 -> Done, 138 => C138 -> Done, 139 => C139 -> Done,
            140 => C140 -> Done, 141 => C141 -> Done, 142 => C142 -> Done, 143 => C143 -> Done,
            144 => C144 -> Done, 145 => C145 -> Done, 146 => C146 -> Done, 147 => C147 -> Done,
            148 => C148 -> Done, 149 => C149 -> Done, 150 => C150 as Named150 -> Done,
            151 => C151 as Named151 -> Done, 152 => C152 as Named152 -> Done,
            153 => C153 as Named153 -> Done, 154 => C154 as Named154 -> Done,
            155 => C155 as Named155 -> Done, 156 => C156 as Named156 -> Done,
            157 => C157 as Named157 -> Done, 158 => C158 as Named158 -> Done,
            159 => C159 as Named159 -> Done, 160 => C160 as Named160 -> Done,
            161 => C161 as Named161 -> Done, 162 => C162 as Named162 -> Done,
            163 => C163 as Named163 -> Done, 164 => C164 as Named164 -> Done,
            165 => C165 as Named165 -> Done, 166 => C166 as Named166 -> Done,
            167 => C167 as Named167 -> Done, 168 => C168 as Named168 -> Done,
            169 => C169 as Named169 -> Done, 170 => C170 as Named170 -> Done,
            171 => C171 as Named171 -> Done, 172 => C172 as Named172 -> Done,
            173 => C173 as Named173 -> Done, 174 => C174 as Named174 -> Done,
            175 => C175 as Named175 -> Done, 176 => C176 as Named176 -> Done,
            177 => C177 as Named177 -> Done, 178 => C178 as Named178 -> Done,
            179 => C179 as Named179 -> Done, 180 => C180 as Named180 -> Done,
            181 => C181 as Named181 -> Done, 182 => C182 as Named182 -> Done,
            183 => C183 as Named183 -> Done, 184 => C184 as Named184 -> Done,
            185 => C185 as Named185 -> Done, 186 => C186 as Named186 -> Done,
            187 => C187 as Named187 -> Done, 188 => C188 as Named188 -> Done,
            189 => C189 as Named189 -> Done, 190 => C190 as Named190 -> Done,
            191 => C191 as Named191 -> Done, 192 => C192 as Named192 -> Done,
            193 => C193 as Named193 -> Done, 194 => C194 as Named194 -> Done,
            195 => C195 as Named195 -> Done, 196 => C196 as Named196 -> Done,
            197 => C197 as Named197 -> Done, 198 => C198 as Named198 -> Done,
            199 => C199 as Named199 -> Done, 200 => C200 as Named200 -> Done,
            201 => C201 as Named201 -> Done, 202 => C202 as Named202 -> Done,
            203 => C203 as Named203 -> Done, 204 => C204 as Named204 -> Done,
            205 => C205 as Named205 -> Done, 206 => C206 as Named206 -> Done,
            207 => C207 as Named207 -> Done, 208 => C208 as Named208 -> Done,
            209 => C209 as Named209 -> Done, 210 => C210 as Named210 -> Done,
            211 => C211 as Named211 -> Done, 212 => C212 as Named212 -> Done,
            213 => C213 as Named213 -> Done, 214 => C214 as Named214 -> Done,
            215 => C215 as Named215 -> Done, 216 => C216 as Named216 -> Done,
            217 => C217 as Named217 -> Done, 218 => C218 as Named218 -> Done,
            219 => C219 as Named219 -> Done, 220 => C220 as Named220 -> Done,
            221 => C221 as Named221 -> Done, 222 => C222 as Named222 -> Done,
            223 => C223 as Named223 -> Done, 224 => C224 as Named224 -> Done,
            225 => C225 as Named225 -> Done, 226 => C226 as Named226 -> Done,
            227 => C227 as Named227 -> Done, 228 => C228 as Named228 -> Done,
            229 => C229 as Named229 -> Done, 230 => C230 as Named230 -> Done,
            231 => C231 as Named231 -> Done, 232 => C232 as Named232 -> Done,
            233 => C233 as Named233 -> Done, 234 => C234 as Named234 -> Done,
            235 => C235 as Named235 -> Done, 236 => C236 as Named236 -> Done,
            237 => C237 as Named237 -> Done, 238 => C238 as Named238 -> Done,
            239 => C239 as Named239 -> Done, 240 => C240 as Named240 -> Done,
            241 => C241 as Named241 -> Done, 242 => C242 as Named242 -> Done,
            243 => C243 as Named243 -> Done, 244 => C244 as Named244 -> Done,
            245 => C245 as Named245 -> Done, 246 => C246 as Named246 -> Done,
            247 => C247 as Named247 -> Done, 248 => C248 as Named248 -> Done,
            249 => C249 as Named249 -> Done, 250 => C250 as Named250 -> Done,
            251 => C251 as Named251 -> Done, 252 => C252 as Named252 -> Done,
            253 => C253 as Named253 -> Done, 254 => C254 as Named254 -> Done,
            255 => C255 as Named255 -> Done, 256 => C256 as Named256 -> Done,
            257 => C257 as Named257 -> Done, 258 => C258 as Named258 -> Done,
            259 => C259 as Named259 -> Done, 260 => C260 as Named260 -> Done,
            261 => C261 as Named261 -> Done, 262 => C262 as Named262 -> Done,
            263 => C263 as Named263 -> Done, 264 => C264 as Named264 -> Done,
            265 => C265 as Named265 -> Done, 266 => C266 as Named266 -> Done,
            267 => C267 as Named267 -> Done, 268 => C268 as Named268 -> Done,
            269 => C269 as Named269 -> Done, 270 => C270 as Named270 -> Done,
            271 => C271 as Named271 -> Done, 272 => C272 as Named272 -> Done,
            273 => C273 as Named273 -> Done, 274 => C274 as Named274 -> Done,
            275 => C275 as Named275 -> Done, 276 => C276 as Named276 -> Done,
            277 => C277 as Named277 -> Done, 278 => C278 as Named278 -> Done,
            279 => C279 as Named279 -> Done, 280 => C280 as Named280 -> Done,
            281 => C281 as Named281 -> Done, 282 => C282 as Named282 -> Done,
            283 => C283 as Named283 -> Done, 284 => C284 as Named284 -> Done,
            285 => C285 as Named285 -> Done, 286 => C286 as Named286 -> Done,
            287 => C287 as Named287 -> Done, 288 => C288 as Named288 -> Done,
            289 => C289 as Named289 -> Done, 290 => C290 as Named290 -> Done,
            291 => C291 as Named291 -> Done, 292 => C292 as Named292 -> Done,
            293 => C293 as Named293 -> Done, 294 => C294 as Named294 -> Done,
            295 => C295 as Named295 -> Done, 296 => C296 as Named296 -> Done,
            297 => C297 as Named297 -> Done, 298 => C298 as Named298 -> Done,
            299 => C299 as Named299 -> Done,
        }
        replies { 0 => Done }
        failure close_connection
    }
}

const _: () = assert!(Large::COMMANDS.len() == 300 && Large::COMMANDS[299].tag.get() == 299);

protocol! {
    struct Again {
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
            147 => C147, 148 => C148, 149 => C149, 150 => C150 as Named150, 151 => C151 as Named151,
            152 => C152 as Named152, 153 => C153 as Named153, 154 => C154 as Named154,
            155 => C155 as Named155, 156 => C156 as Named156, 157 => C157 as Named157,
            158 => C158 as Named158, 159 => C159 as Named159, 160 => C160 as Named160,
            161 => C161 as Named161, 162 => C162 as Named162, 163 => C163 as Named163,
            164 => C164 as Named164, 165 => C165 as Named165, 166 => C166 as Named166,
            167 => C167 as Named167, 168 => C168 as Named168, 169 => C169 as Named169,
            170 => C170 as Named170, 171 => C171 as Named171, 172 => C172 as Named172,
            173 => C173 as Named173, 174 => C174 as Named174, 175 => C175 as Named175,
            176 => C176 as Named176, 177 => C177 as Named177, 178 => C178 as Named178,
            179 => C179 as Named179, 180 => C180 as Named180, 181 => C181 as Named181,
            182 => C182 as Named182, 183 => C183 as Named183, 184 => C184 as Named184,
            185 => C185 as Named185, 186 => C186 as Named186, 187 => C187 as Named187,
            188 => C188 as Named188, 189 => C189 as Named189, 190 => C190 as Named190,
            191 => C191 as Named191, 192 => C192 as Named192, 193 => C193 as Named193,
            194 => C194 as Named194, 195 => C195 as Named195, 196 => C196 as Named196,
            197 => C197 as Named197, 198 => C198 as Named198, 199 => C199 as Named199,
            200 => C200 as Named200, 201 => C201 as Named201, 202 => C202 as Named202,
            203 => C203 as Named203, 204 => C204 as Named204, 205 => C205 as Named205,
            206 => C206 as Named206, 207 => C207 as Named207, 208 => C208 as Named208,
            209 => C209 as Named209, 210 => C210 as Named210, 211 => C211 as Named211,
            212 => C212 as Named212, 213 => C213 as Named213, 214 => C214 as Named214,
            215 => C215 as Named215, 216 => C216 as Named216, 217 => C217 as Named217,
            218 => C218 as Named218, 219 => C219 as Named219, 220 => C220 as Named220,
            221 => C221 as Named221, 222 => C222 as Named222, 223 => C223 as Named223,
            224 => C224 as Named224, 225 => C225 as Named225, 226 => C226 as Named226,
            227 => C227 as Named227, 228 => C228 as Named228, 229 => C229 as Named229,
            230 => C230 as Named230, 231 => C231 as Named231, 232 => C232 as Named232,
            233 => C233 as Named233, 234 => C234 as Named234, 235 => C235 as Named235,
            236 => C236 as Named236, 237 => C237 as Named237, 238 => C238 as Named238,
            239 => C239 as Named239, 240 => C240 as Named240, 241 => C241 as Named241,
            242 => C242 as Named242, 243 => C243 as Named243, 244 => C244 as Named244,
            245 => C245 as Named245, 246 => C246 as Named246, 247 => C247 as Named247,
            248 => C248 as Named248, 249 => C249 as Named249, 250 => C250 as Named250,
            251 => C251 as Named251, 252 => C252 as Named252, 253 => C253 as Named253,
            254 => C254 as Named254, 255 => C255 as Named255, 256 => C256 as Named256,
            257 => C257 as Named257, 258 => C258 as Named258, 259 => C259 as Named259,
            260 => C260 as Named260, 261 => C261 as Named261, 262 => C262 as Named262,
            263 => C263 as Named263, 264 => C264 as Named264, 265 => C265 as Named265,
            266 => C266 as Named266, 267 => C267 as Named267, 268 => C268 as Named268,
            269 => C269 as Named269, 270 => C270 as Named270, 271 => C271 as Named271,
            272 => C272 as Named272, 273 => C273 as Named273, 274 => C274 as Named274,
            275 => C275 as Named275, 276 => C276 as Named276, 277 => C277 as Named277,
            278 => C278 as Named278, 279 => C279 as Named279, 280 => C280 as Named280,
            281 => C281 as Named281, 282 => C282 as Named282, 283 => C283 as Named283,
            284 => C284 as Named284, 285 => C285 as Named285, 286 => C286 as Named286,
            287 => C287 as Named287, 288 => C288 as Named288, 289 => C289 as Named289,
            290 => C290 as Named290, 291 => C291 as Named291, 292 => C292 as Named292,
            293 => C293 as Named293, 294 => C294 as Named294, 295 => C295 as Named295,
            296 => C296 as Named296, 297 => C297 as Named297, 298 => C298 as Named298,
            299 => C299 as Named299,
        }
        replies { 0 => Done }
        failure close_connection
    }
}

commands! {
    D0 D1 D2 D3 D4 D5 D6 D7 D8 D9 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19 D20 D21 D22 D23 D24 D25 D26 D27 D28
    D29 D30 D31 D32 D33 D34 D35 D36 D37 D38 D39 D40 D41 D42 D43 D44 D45 D46 D47 D48 D49 D50 D51 D52 D53 D54
    D55 D56 D57 D58 D59 D60 D61 D62 D63 D64 D65 D66 D67 D68 D69 D70 D71 D72 D73 D74 D75 D76 D77 D78 D79 D80
    D81 D82 D83 D84 D85 D86 D87 D88 D89 D90 D91 D92 D93 D94 D95 D96 D97 D98 D99 D100 D101 D102 D103 D104 D105
    D106 D107 D108 D109 D110 D111 D112 D113 D114 D115 D116 D117 D118 D119 D120 D121 D122 D123 D124 D125 D126
    D127 D128 D129 D130 D131 D132 D133 D134 D135 D136 D137 D138 D139 D140 D141 D142 D143 D144 D145 D146 D147
    D148 D149 D150 D151 D152 D153 D154 D155 D156 D157 D158 D159 D160 D161 D162 D163 D164 D165 D166 D167 D168
    D169 D170 D171 D172 D173 D174 D175 D176 D177 D178 D179 D180 D181 D182 D183 D184 D185 D186 D187 D188 D189
    D190 D191 D192 D193 D194 D195 D196 D197 D198 D199 D200 D201 D202 D203 D204 D205 D206 D207 D208 D209 D210
    D211 D212 D213 D214 D215 D216 D217 D218 D219 D220 D221 D222 D223 D224 D225 D226 D227 D228 D229 D230 D231
    D232 D233 D234 D235 D236 D237 D238 D239 D240 D241 D242 D243 D244 D245 D246 D247 D248 D249 D250 D251 D252
    D253 D254 D255 D256 D257 D258 D259 D260 D261 D262 D263 D264 D265 D266 D267 D268 D269 D270 D271 D272 D273
    D274 D275 D276 D277 D278 D279 D280 D281 D282 D283 D284 D285 D286 D287 D288 D289 D290 D291 D292 D293 D294
    D295 D296 D297 D298 D299
}

protocol! {
    struct Paths {
        commands {
            0 => D0 -> Done, 1 => D1 -> self::Done, 2 => D2 -> self::Done, 3 => D3 -> self::Done,
            4 => D4 -> Done, 5 => D5 -> self::Done, 6 => D6 -> self::Done, 7 => D7 -> self::Done,
            8 => D8 -> Done, 9 => D9 -> self::Done, 10 => D10 -> self::Done, 11 => D11 -> self::Done,
            12 => D12 -> Done, 13 => D13 -> self::Done, 14 => D14 -> self::Done, 15 => D15 -> self::Done,
            16 => D16 -> Done, 17 => D17 -> self::Done, 18 => D18 -> self::Done, 19 => D19 -> self::Done,
            20 => D20 -> Done, 21 => D21 -> self::Done, 22 => D22 -> self::Done, 23 => D23 -> self::Done,
            24 => D24 -> Done, 25 => D25 -> self::Done, 26 => D26 -> self::Done, 27 => D27 -> self::Done,
            28 => D28 -> Done, 29 => D29 -> self::Done, 30 => D30 -> self::Done, 31 => D31 -> self::Done,
            32 => D32 -> Done, 33 => D33 -> self::Done, 34 => D34 -> self::Done, 35 => D35 -> self::Done,
            36 => D36 -> Done, 37 => D37 -> self::Done, 38 => D38 -> self::Done, 39 => D39 -> self::Done,
            40 => D40 -> Done, 41 => D41 -> self::Done, 42 => D42 -> self::Done, 43 => D43 -> self::Done,
            44 => D44 -> Done, 45 => D45 -> self::Done, 46 => D46 -> self::Done, 47 => D47 -> self::Done,
            48 => D48 -> Done, 49 => D49 -> self::Done, 50 => D50 -> self::Done, 51 => D51 -> self::Done,
            52 => D52 -> Done, 53 => D53 -> self::Done, 54 => D54 -> self::Done, 55 => D55 -> self::Done,
            56 => D56 -> Done, 57 => D57 -> self::Done, 58 => D58 -> self::Done, 59 => D59 -> self::Done,
            60 => D60 -> Done, 61 => D61 -> self::Done, 62 => D62 -> self::Done, 63 => D63 -> self::Done,
            64 => D64 -> Done, 65 => D65 -> self::Done, 66 => D66 -> self::Done, 67 => D67 -> self::Done,
            68 => D68 -> Done, 69 => D69 -> self::Done, 70 => D70 -> self::Done, 71 => D71 -> self::Done,
            72 => D72 -> Done, 73 => D73 -> self::Done, 74 => D74 -> self::Done, 75 => D75 -> self::Done,
            76 => D76 -> Done, 77 => D77 -> self::Done, 78 => D78 -> self::Done, 79 => D79 -> self::Done,
            80 => D80 -> Done, 81 => D81 -> self::Done, 82 => D82 -> self::Done, 83 => D83 -> self::Done,
            84 => D84 -> Done, 85 => D85 -> self::Done, 86 => D86 -> self::Done, 87 => D87 -> self::Done,
            88 => D88 -> Done, 89 => D89 -> self::Done, 90 => D90 -> self::Done, 91 => D91 -> self::Done,
            92 => D92 -> Done, 93 => D93 -> self::Done, 94 => D94 -> self::Done, 95 => D95 -> self::Done,
            96 => D96 -> Done, 97 => D97 -> self::Done, 98 => D98 -> self::Done, 99 => D99 -> self::Done,
            100 => D100 -> Done, 101 => D101 -> self::Done, 102 => D102 -> self::Done,
            103 => D103 -> self::Done, 104 => D104 -> Done, 105 => D105 -> self::Done,
            106 => D106 -> self::Done, 107 => D107 -> self::Done, 108 => D108 -> Done,
            109 => D109 -> self::Done, 110 => D110 -> self::Done, 111 => D111 -> self::Done,
            112 => D112 -> Done, 113 => D113 -> self::Done, 114 => D114 -> self::Done,
            115 => D115 -> self::Done, 116 => D116 -> Done, 117 => D117 -> self::Done,
            118 => D118 -> self::Done, 119 => D119 -> self::Done, 120 => D120 -> Done,
            121 => D121 -> self::Done, 122 => D122 -> self::Done, 123 => D123 -> self::Done,
            124 => D124 -> Done, 125 => D125 -> self::Done, 126 => D126 -> self::Done,
            127 => D127 -> self::Done, 128 => D128 -> Done, 129 => D129 -> self::Done,
            130 => D130 -> self::Done, 131 => D131 -> self::Done, 132 => D132 -> Done,
            133 => D133 -> self::Done, 134 => D134 -> self::Done, 135 => D135 -> self::Done,
            136 => D136 -> Done, 137 => D137 -> self::Done, 138 => D138 -> self::Done,
            139 => D139 -> self::Done, 140 => D140 -> Done, 141 => D141 -> self::Done,
            142 => D142 -> self::Done, 143 => D143 -> self::Done, 144 => D144 -> Done,
            145 => D145 -> self::Done, 146 => D146 -> self::Done, 147 => D147 -> self::Done,
            148 => D148 -> Done, 149 => D149 -> self::Done, 150 => D150 -> self::Done,
            151 => D151 -> self::Done, 152 => D152 -> Done, 153 => D153 -> self::Done,
            154 => D154 -> self::Done, 155 => D155 -> self::Done, 156 => D156 -> Done,
            157 => D157 -> self::Done, 158 => D158 -> self::Done, 159 => D159 -> self::Done,
            160 => D160 -> Done, 161 => D161 -> self::Done, 162 => D162 -> self::Done,
            163 => D163 -> self::Done, 164 => D164 -> Done, 165 => D165 -> self::Done,
            166 => D166 -> self::Done, 167 => D167 -> self::Done, 168 => D168 -> Done,
            169 => D169 -> self::Done, 170 => D170 -> self::Done, 171 => D171 -> self::Done,
            172 => D172 -> Done, 173 => D173 -> self::Done, 174 => D174 -> self::Done,
            175 => D175 -> self::Done, 176 => D176 -> Done, 177 => D177 -> self::Done,
            178 => D178 -> self::Done, 179 => D179 -> self::Done, 180 => D180 -> Done,
            181 => D181 -> self::Done, 182 => D182 -> self::Done, 183 => D183 -> self::Done,
            184 => D184 -> Done, 185 => D185 -> self::Done, 186 => D186 -> self::Done,
            187 => D187 -> self::Done, 188 => D188 -> Done, 189 => D189 -> self::Done,
            190 => D190 -> self::Done, 191 => D191 -> self::Done, 192 => D192 -> Done,
            193 => D193 -> self::Done, 194 => D194 -> self::Done, 195 => D195 -> self::Done,
            196 => D196 -> Done, 197 => D197 -> self::Done, 198 => D198 -> self::Done,
            199 => D199 -> self::Done, 200 => D200 -> Done, 201 => D201 -> self::Done,
            202 => D202 -> self::Done, 203 => D203 -> self::Done, 204 => D204 -> Done,
            205 => D205 -> self::Done, 206 => D206 -> self::Done, 207 => D207 -> self::Done,
            208 => D208 -> Done, 209 => D209 -> self::Done, 210 => D210 -> self::Done,
            211 => D211 -> self::Done, 212 => D212 -> Done, 213 => D213 -> self::Done,
            214 => D214 -> self::Done, 215 => D215 -> self::Done, 216 => D216 -> Done,
            217 => D217 -> self::Done, 218 => D218 -> self::Done, 219 => D219 -> self::Done,
            220 => D220 -> Done, 221 => D221 -> self::Done, 222 => D222 -> self::Done,
            223 => D223 -> self::Done, 224 => D224 -> Done, 225 => D225 -> self::Done,
            226 => D226 -> self::Done, 227 => D227 -> self::Done, 228 => D228 -> Done,
            229 => D229 -> self::Done, 230 => D230 -> self::Done, 231 => D231 -> self::Done,
            232 => D232 -> Done, 233 => D233 -> self::Done, 234 => D234 -> self::Done,
            235 => D235 -> self::Done, 236 => D236 -> Done, 237 => D237 -> self::Done,
            238 => D238 -> self::Done, 239 => D239 -> self::Done, 240 => D240 -> Done,
            241 => D241 -> self::Done, 242 => D242 -> self::Done, 243 => D243 -> self::Done,
            244 => D244 -> Done, 245 => D245 -> self::Done, 246 => D246 -> self::Done,
            247 => D247 -> self::Done, 248 => D248 -> Done, 249 => D249 -> self::Done,
            250 => D250 -> self::Done, 251 => D251 -> self::Done, 252 => D252 -> Done,
            253 => D253 -> self::Done, 254 => D254 -> self::Done, 255 => D255 -> self::Done,
            256 => D256 -> Done, 257 => D257 -> self::Done, 258 => D258 -> self::Done,
            259 => D259 -> self::Done, 260 => D260 -> Done, 261 => D261 -> self::Done,
            262 => D262 -> self::Done, 263 => D263 -> self::Done, 264 => D264 -> Done,
            265 => D265 -> self::Done, 266 => D266 -> self::Done, 267 => D267 -> self::Done,
            268 => D268 -> Done, 269 => D269 -> self::Done, 270 => D270 -> self::Done,
            271 => D271 -> self::Done, 272 => D272 -> Done, 273 => D273 -> self::Done,
            274 => D274 -> self::Done, 275 => D275 -> self::Done, 276 => D276 -> Done,
            277 => D277 -> self::Done, 278 => D278 -> self::Done, 279 => D279 -> self::Done,
            280 => D280 -> Done, 281 => D281 -> self::Done, 282 => D282 -> self::Done,
            283 => D283 -> self::Done, 284 => D284 -> Done, 285 => D285 -> self::Done,
            286 => D286 -> self::Done, 287 => D287 -> self::Done, 288 => D288 -> Done,
            289 => D289 -> self::Done, 290 => D290 -> self::Done, 291 => D291 -> self::Done,
            292 => D292 -> Done, 293 => D293 -> self::Done, 294 => D294 -> self::Done,
            295 => D295 -> self::Done, 296 => D296 -> Done, 297 => D297 -> self::Done,
            298 => D298 -> self::Done, 299 => D299 -> self::Done,
        }
        replies { 0 => Done }
        failure close_connection
    }
}

pub async fn server() {
    let _ = Server::bind("127.0.0.1:9000", Large, Json, Receiver).await;
    let _ = Server::bind("127.0.0.1:9001", Again, Json, Receiver).await;
    let _ = Server::bind("127.0.0.1:9002", Paths, Json, Receiver).await;
}

pub async fn client() {
    let sender = Sender::connect("127.0.0.1:9000", Large, Json).await.expect("a server");
    let Done = sender.send(C299).await.expect("a reply");
}

fn main() {}
