//! What the tests of the workspace share: a scripted byte peer ([`peer`]), a proxy that breaks connections ([`chaos`]),
//! both ends of a connection in one process ([`ends`]), certificates (`certs`, a feature), the sample service of the golden vectors
//! ([`sample`]) and the vectors themselves ([`vectors`]), child processes ([`process`]), programs that must not compile
//! ([`compile_fail`]), what the library logs ([`log`]), and bounded waiting ([`wait`]).

#[cfg(feature = "certs")]
pub mod certs;
pub mod chaos;
pub mod compile_fail;
pub mod ends;
pub mod log;
pub mod peer;
pub mod process;
pub mod sample;
pub mod vectors;
pub mod wait;

/// Decodes lower-case hex.
///
/// # Panics
///
/// If it is not hex.
pub fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "hex of odd length: {hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// Encodes bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
