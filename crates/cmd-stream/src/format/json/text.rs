//! Reads the strings of a JSON body.
//!
//! `serde_json` looks for the end of a string, and for escapes, eight bytes at a time, because it also looks for control
//! characters, which no string may contain. In a string that is read as bytes it does not look for these, and takes up to 32
//! bytes at a time. So the whole body is looked at once. If it contains no control character and no escape, its strings are read
//! as bytes. A value with a string of 500 bytes takes 30 % less time then, and one of 16,000 bytes 60 %.
//!
//! A body with an escape, or with a line break between its values, is read as before. It takes up to 12 % longer, because it was
//! looked at. With many escapes, to read strings as bytes would take up to 40 % longer (`bench/NOTES.md`, "JSON").

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// The body that is being read.
#[derive(Clone, Copy)]
pub(super) struct Body<'de> {
    /// All of it, if there are no control characters and no escapes in it.
    plain: Option<&'de str>,
}

impl<'de> Body<'de> {
    #[inline]
    pub(super) fn new(body: &'de str) -> Self {
        // Without branches, so that the compiler looks at many bytes at once.
        let (least, from_backslash) = body
            .bytes()
            .fold((u8::MAX, u8::MAX), |least, byte| (least.0.min(byte), least.1.min(byte ^ b'\\')));
        Self { plain: (least >= b' ' && from_backslash != 0).then_some(body) }
    }

    /// Reads a string.
    #[inline]
    pub(super) fn text<D: Deserializer<'de>, V: Visitor<'de>>(
        self,
        from: D,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        match self.plain {
            Some(body) => from.deserialize_bytes(Text { body, visitor }),
            None => from.deserialize_str(visitor),
        }
    }
}

/// The visitor of a string that is read as bytes.
struct Text<'de, V> {
    body: &'de str,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Text<'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    /// A part of the body, as there are no escapes in it.
    #[inline]
    fn visit_borrowed_bytes<E: Error>(self, value: &'de [u8]) -> Result<V::Value, E> {
        // The body is known to be text. To see where the string stands in it is less work than to look at all of it again.
        let start = value.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        match start.checked_add(value.len()).and_then(|end| self.body.get(start..end)) {
            Some(text) => self.visitor.visit_borrowed_str(text),
            None => Err(E::invalid_value(Unexpected::Bytes(value), &self)),
        }
    }

    // What is not a string of the body itself, such as a `RawValue`, is text already.

    #[inline]
    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.visitor.visit_str(value)
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.visitor.visit_borrowed_str(value)
    }

    #[inline]
    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        self.visitor.visit_string(value)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer};
    use serde_json::value::RawValue;

    use super::Body;
    use crate::format::json::read_body;

    /// A type that insists on text which stands in the body as it is.
    #[derive(Debug, PartialEq)]
    struct Unescaped(usize);

    impl<'de> Deserialize<'de> for Unescaped {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <&str>::deserialize(deserializer).map(|text| Self(text.len()))
        }
    }

    #[derive(Debug)]
    struct Raw(Box<RawValue>);

    impl<'de> Deserialize<'de> for Raw {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Box::deserialize(deserializer).map(Self)
        }
    }

    impl PartialEq for Raw {
        fn eq(&self, other: &Self) -> bool {
            self.0.get() == other.0.get()
        }
    }

    /// What is read, or the error, is what `serde_json` reads by itself.
    fn same<T: DeserializeOwned + PartialEq + Debug>(json: &str) {
        let message = |error: serde_json::Error| error.to_string();
        let expected = serde_json::from_str::<T>(json).map_err(message);
        assert_eq!(read_body::<T>(json.as_bytes()).map_err(message), expected, "{json:?}");
    }

    #[test]
    fn strings_are_read_and_refused_as_serde_json_does() {
        let long = "0123456789abcdef".repeat(20);
        let texts = [
            "",
            "a",
            "Жук",
            "€ 10\u{7f}",
            "\u{10ffff}",
            &long,
            r#"\" and \\ and \/"#,
            r"\u0416\n\t\ud83d\ude00",
            r"\ud83d",       // half of a surrogate pair
            r"\ud83d\n",     // the same
            r"\ude00\ud83d", // both, in the wrong order
            r"\x",
            "a\nb", // a control character
            "\u{1f}",
            "\0",
        ];
        for text in texts {
            for string in
                [format!("\"{text}\""), format!("\"{long}{text}{long}\""), format!(" \n\"{text}\"\t")]
            {
                same::<String>(&string);
                same::<Box<str>>(&string);
                same::<Cow<'static, str>>(&string);
                same::<Unescaped>(&string);
                same::<char>(&string);
                same::<Option<String>>(&string);
                same::<serde_json::Value>(&string);
                same::<Raw>(&string);
                same::<Vec<String>>(&format!("[{string},{string}]"));
                same::<BTreeMap<String, String>>(&format!("{{{string}:{string}}}"));
                same::<BTreeMap<String, Raw>>(&format!("{{\"\":{string}}}"));
                same::<Vec<u8>>(&string);
            }
        }
    }

    #[test]
    fn what_is_no_string_is_refused_as_serde_json_does() {
        for json in ["", "1", "null", "true", "{}", "\"a", "\"", "\"a\"b", "nul", "\"a\\", "-", "\"\\u12"] {
            same::<String>(json);
            same::<Unescaped>(json);
            same::<Vec<String>>(json);
            same::<Vec<String>>(&format!("[{json}"));
        }
        // The column alone differs.
        for array in ["[", "[]", "[1]", "[\"a\"]", "[\"a"] {
            let error = read_body::<String>(array.as_bytes()).expect_err(array).to_string();
            assert!(error.starts_with("invalid type: sequence, expected a string"), "{array}: {error}");
        }
    }

    #[test]
    fn strings_are_read_as_bytes_unless_something_in_the_body_must_be_looked_at() {
        let is_plain = |body: &str| Body::new(body).plain.is_some();
        assert!(is_plain("") && is_plain(r#"{"a":["b c",1]}"#) && is_plain("\"Жук\u{7f}\u{80}\""));
        for body in ["\"\\\\\"", "{\n}", "\"\u{1f}\"", "\"\0\""] {
            assert!(!is_plain(body), "{body:?}");
            assert!(!is_plain(&format!("{}{body}", " ".repeat(100))), "{body:?}");
        }
    }
}
