//! Other protocols, told by their first bytes, so that an error can name them. Knows nothing of sockets and clocks.

use std::fmt;

/// A protocol that people take for this one when they use the wrong port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Foreign {
    Http,
    Http2,
    Ssh,
    Tls,
}

/// What the first bytes of a peer tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Is(Foreign),
    /// More bytes may tell it.
    MayBe,
    No,
}

/// Tells the protocol of a peer by the first bytes that it has sent.
pub(crate) fn tell(bytes: &[u8]) -> Told {
    match bytes {
        [] => Told::No,
        // A record of the handshake, or an alert, of a version with the major number 3.
        [0x15 | 0x16, 3, 0..=4, ..] => Told::Is(Foreign::Tls),
        [0x15 | 0x16] | [0x15 | 0x16, 3] => Told::MayBe,
        // A server of HTTP/2 may speak first: a frame of settings, of the connection itself.
        [0, 0, _, 4, 0, 0, 0, 0, 0, ..] => Told::Is(Foreign::Http2),
        _ => [tell_by_text(bytes, b"SSH-", Foreign::Ssh), tell_by_text(bytes, b"HTTP/", Foreign::Http)]
            .into_iter()
            .find(|told| *told != Told::No)
            .unwrap_or_else(|| tell_request(bytes)),
    }
}

fn tell_by_text(bytes: &[u8], text: &[u8], foreign: Foreign) -> Told {
    if bytes.starts_with(text) {
        Told::Is(foreign)
    } else if text.starts_with(bytes) {
        Told::MayBe
    } else {
        Told::No
    }
}

/// Whether it is the first line of a request: a method, a space, and what is asked for.
fn tell_request(bytes: &[u8]) -> Told {
    let is_of_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    let method = bytes.iter().take_while(|byte| is_of_method(byte)).count();
    if method > LONGEST_METHOD {
        return Told::No;
    }
    let (method, rest) = bytes.split_at(method);
    match rest {
        [] => Told::MayBe,
        [b' ', target @ ..] if method.len() >= SHORTEST_METHOD => match target {
            [b'*', ..] if method == b"PRI" => Told::Is(Foreign::Http2),
            [b'/' | b'*', ..] => Told::Is(Foreign::Http),
            [b'!'..=b'~', ..] if method == b"CONNECT" => Told::Is(Foreign::Http),
            _ if target.is_empty() => Told::MayBe,
            _ => tell_by_text(target, b"http", Foreign::Http),
        },
        _ => Told::No,
    }
}

/// `VERSION-CONTROL` has 15 bytes.
const LONGEST_METHOD: usize = 20;
const SHORTEST_METHOD: usize = 3;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP/2",
            Self::Ssh => "SSH",
            Self::Tls => "TLS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Foreign, Told, tell};

    const KNOWN: [(&[u8], Foreign); 15] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", Foreign::Http),
        (b"POST /call HTTP/1.1\r\n", Foreign::Http),
        (b"OPTIONS * HTTP/1.1\r\n", Foreign::Http),
        (b"GET http://a/ HTTP/1.1\r\n", Foreign::Http),
        (b"CONNECT a:443 HTTP/1.1\r\n", Foreign::Http),
        (b"M-SEARCH * HTTP/1.1\r\n", Foreign::Http),
        (b"VERSION-CONTROL /a HTTP/1.1\r\n", Foreign::Http),
        (b"HTTP/1.1 400 Bad Request\r\n", Foreign::Http),
        (b"HTTP/1.0 408 Request Time-out\r\n", Foreign::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Foreign::Http2),
        (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", Foreign::Http2),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Foreign::Ssh),
        (b"\x16\x03\x01\x02\x00\x01\x00", Foreign::Tls),
        (b"\x16\x03\x03\x00\x7a\x02\x00", Foreign::Tls),
        (b"\x15\x03\x03\x00\x02\x02\x28", Foreign::Tls),
    ];

    #[test]
    fn protocols_are_told_by_their_first_bytes() {
        for (bytes, foreign) in KNOWN {
            assert_eq!(tell(bytes), Told::Is(foreign), "{}", bytes.escape_ascii());
            assert_eq!(tell(&bytes[..bytes.len().min(24)]), Told::Is(foreign));
        }
    }

    #[test]
    fn each_piece_may_be_what_the_whole_is() {
        for (bytes, foreign) in KNOWN.iter().filter(|(bytes, _)| bytes[0] != 0) {
            let told: Vec<_> = (1..=bytes.len()).map(|len| tell(&bytes[..len])).collect();
            let known = told.iter().position(|told| *told != Told::MayBe).unwrap();
            let rest = &told[known..];
            assert!(rest.iter().all(|told| *told == Told::Is(*foreign)), "{told:?}");
        }
    }

    #[test]
    fn other_bytes_are_none_of_them() {
        let others: [&[u8]; 10] = [
            b"",
            b"\x07default",
            b"\x16\x02\x01",
            b"\x14\x03\x03",
            b"GE\x01",
            b"get / HTTP/1.1",
            b"GO /",
            b"GET x",
            b"\0\0\0",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1",
        ];
        for bytes in others {
            assert_eq!(tell(bytes), Told::No, "{}", bytes.escape_ascii());
        }
    }
}
