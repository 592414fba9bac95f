//! Other protocols, told by their first bytes, so that an error can name them.

/// Whether these are the first bytes of a client that uses TLS: a record of the handshake, of a version with the major
/// number 3.
pub(crate) fn begins_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, 0..=4, ..])
}

#[cfg(test)]
mod tests {
    use super::begins_tls;

    #[test]
    fn a_client_hello_is_told_by_its_record() {
        assert!(begins_tls(&[0x16, 3, 1, 2, 0, 1, 0]));
        assert!(!begins_tls(&[0x16, 3]));
        assert!(!begins_tls(b"\x16\x02\x01"));
        assert!(!begins_tls(b"GET / HTTP/1.1"));
    }
}
