//! Certificates for tests and examples, made when they are needed, so that no secret is committed.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};

/// A certificate authority (CA).
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, in PEM.
    pub chain: String,
    /// The private key, in PEM: PKCS#8.
    pub key: String,
    /// The certificate, in DER.
    pub der: Vec<u8>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validity {
    /// For many years.
    Now,
    /// It was.
    Past,
    /// It will be.
    Future,
}

impl Authority {
    /// Creates an authority.
    ///
    /// # Panics
    ///
    /// If there are no random numbers. All functions here panic on such failures.
    pub fn new(name: &str) -> Self {
        let mut params = params(&[], name, Validity::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("random numbers");
        let pem = params.self_signed(&key).expect("it can sign").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Returns its certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues the certificate of a server with these names and IP addresses.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue(names, Validity::Now, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues the certificate of a server that is valid then.
    pub fn server_valid(&self, names: &[&str], validity: Validity) -> Issued {
        self.issue(names, validity, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues the certificate of a client with this name.
    pub fn client(&self, name: &str) -> Issued {
        self.issue(&[name], Validity::Now, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Issues the certificate of a client that is valid then.
    pub fn client_valid(&self, name: &str, validity: Validity) -> Issued {
        self.issue(&[name], validity, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Issues the certificate of a server with an RSA key.
    pub fn rsa_server(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("random numbers");
        self.issue_with(&key, names, Validity::Now, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn issue(&self, names: &[&str], validity: Validity, purpose: ExtendedKeyUsagePurpose) -> Issued {
        self.issue_with(&KeyPair::generate().expect("random numbers"), names, validity, purpose)
    }

    fn issue_with(
        &self,
        key: &KeyPair,
        names: &[&str],
        validity: Validity,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Issued {
        let mut params = params(names, names[0], validity);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(key, &self.issuer).expect("it can sign");
        Issued { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}

impl Issued {
    /// Returns the key in the older form of its kind: SEC1 of an elliptic curve, PKCS#1 of RSA.
    pub fn traditional_key(&self) -> String {
        let pkcs8 = rcgen::KeyPair::from_pem(&self.key).expect("it was made here").serialize_der();
        // A sequence of a version, an algorithm, and the older form.
        let (_, content, _) = der_value(&pkcs8);
        let (_, _, rest) = der_value(content);
        let (_, algorithm, rest) = der_value(rest);
        let (_, key, _) = der_value(rest);
        let name = if algorithm.windows(RSA.len()).any(|window| window == RSA) { "RSA" } else { "EC" };
        let body: Vec<_> = base64(key).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
        let body = String::from_utf8(body.join(&b'\n')).expect("base64 is text");
        format!("-----BEGIN {name} PRIVATE KEY-----\n{body}\n-----END {name} PRIVATE KEY-----\n")
    }

    /// Writes it to `NAME.pem` and `NAME.key`.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn write(&self, directory: &Path, name: &str) -> io::Result<()> {
        fs::write(directory.join(format!("{name}.pem")), &self.chain)?;
        let key = directory.join(format!("{name}.key"));
        fs::write(&key, &self.key)?;
        only_for_the_owner(&key)
    }
}

/// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`, for a server on this machine.
///
/// # Errors
///
/// Those of the file system.
pub fn write_all(directory: &Path) -> io::Result<()> {
    let authority = Authority::new("a test authority");
    fs::create_dir_all(directory)?;
    fs::write(directory.join("ca.pem"), authority.pem())?;
    authority.server(&["localhost", "127.0.0.1"]).write(directory, "server")?;
    authority.client("client").write(directory, "client")
}

/// As [`write_all`], unless the files are there. Several processes may do this at the same time: all find the files of one
/// of them.
///
/// # Errors
///
/// Those of the file system; and if the directory holds other files, or only some of these.
pub fn write_all_if_missing(directory: &Path) -> io::Result<()> {
    if are_there(directory)? {
        return Ok(());
    }
    let mut new = directory.as_os_str().to_owned();
    new.push(format!(".new-{}", std::process::id()));
    let new = Path::new(&new);
    write_all(new)?;
    // A directory replaces an empty one or none.
    fs::rename(new, directory).or_else(|error| {
        fs::remove_dir_all(new)?;
        if are_there(directory)? { Ok(()) } else { Err(error) }
    })
}

/// The files of [`write_all`].
const FILES: [&str; 5] = ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"];

/// Whether all files are there. An error, if the directory holds anything else.
fn are_there(directory: &Path) -> io::Result<bool> {
    // Opened once, as another process may put a complete directory in the place of this one meanwhile.
    let found = match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let missing: Vec<_> = FILES.into_iter().filter(|name| !found.iter().any(|found| found == name)).collect();
    let shown = directory.display();
    if missing.is_empty() {
        Ok(true)
    } else if missing.len() < FILES.len() {
        let missing = missing.join(", ");
        Err(io::Error::other(format!("{shown} is incomplete: all five files or none; it lacks {missing}")))
    } else if found.is_empty() {
        Ok(false)
    } else {
        Err(io::Error::other(format!("{shown} has other files, and none of {}", FILES.join(", "))))
    }
}

#[cfg(unix)]
fn only_for_the_owner(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn only_for_the_owner(_: &Path) -> io::Result<()> {
    Ok(())
}

fn params(names: &[&str], common_name: &str, validity: Validity) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("they are names");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    let (from, to) = match validity {
        Validity::Now => (2020, 2100),
        Validity::Past => (2020, 2021),
        Validity::Future => (2099, 2100),
    };
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

/// Returns the tag and the content of a DER value, and what follows it.
fn der_value(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, first) = (der[0], usize::from(der[1]));
    let (start, length) = match first {
        short @ 0..=0x7f => (2, short),
        long => {
            let end = 2 + (long & 0x7f);
            (end, der[2..end].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    (tag, &der[start..start + length], &der[start + length..])
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

/// The object identifier of RSA keys.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
