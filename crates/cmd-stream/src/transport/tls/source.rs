//! Where certificates and keys come from: PEM, in files or in memory. Errors name the file.

use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::error::{Error, ErrorKind, Origin};
use crate::sync::Arc;

/// A certificate chain and its private key: what one side proves who it is with.
///
/// Both are PEM. The chain begins with the certificate itself; those of intermediate authorities follow. The key is in
/// PKCS#8, SEC1 or PKCS#1, and not encrypted. Chain and key may be in the same file.
///
/// Files are read when the settings are built, and again with each reload. `Debug` shows no key.
///
/// ```
/// use cmd_stream::transport::tls::Identity;
///
/// let identity = Identity::files("server.pem", "server.key");
/// # let _ = identity;
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    chain: Source,
    key: Source,
}

impl Identity {
    /// Reads chain and key from files.
    pub fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { chain: Source::File(chain.into()), key: Source::File(key.into()) }
    }

    /// Uses the contents of such files.
    pub fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self {
            chain: Source::Memory("the certificate chain", chain.as_ref().into()),
            key: Source::Memory("the private key", key.as_ref().into()),
        }
    }

    pub(super) fn sources(&self) -> [&Source; 2] {
        [&self.chain, &self.key]
    }

    /// Reads it, and checks that the key is that of the certificate.
    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let chain = self.chain.certificates()?;
        // Otherwise the key would be said to be wrong.
        ParsedCertificate::try_from(&chain[0]).map_err(|error| {
            unusable_by(format!("the certificate in {} cannot be read", self.chain), error)
        })?;
        let key = self.key.private_key()?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => unusable(format!(
                "the private key in {} is not that of the certificate in {}",
                self.key, self.chain
            )),
            error => unusable_by(format!("the private key in {} cannot be used", self.key), error),
        })
    }
}

/// Certificate authorities (CAs) that this side trusts. The certificate of the other side must be issued by one of them.
///
/// ```
/// use cmd_stream::transport::tls::Authorities;
///
/// let old_and_new = Authorities::file("ca-2025.pem").and(Authorities::file("ca-2026.pem"));
/// # let _ = old_and_new;
/// ```
#[derive(Clone, Debug)]
pub struct Authorities(Vec<Source>);

impl Authorities {
    /// Reads the certificates of one or several authorities from a PEM file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(vec![Source::File(path.into())])
    }

    /// Uses the contents of such a file.
    pub fn pem(certificates: impl AsRef<[u8]>) -> Self {
        Self(vec![Source::Memory("the certificates of the authorities", certificates.as_ref().into())])
    }

    /// Adds others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    pub(super) fn load(&self) -> Result<RootCertStore, Error> {
        let mut store = RootCertStore::empty();
        for source in &self.0 {
            for certificate in source.certificates()? {
                let added = store.add(certificate);
                added.map_err(|error| {
                    unusable_by(format!("a certificate in {source} cannot be used"), error)
                })?;
            }
        }
        Ok(store)
    }
}

/// Where some PEM is.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    /// What it is, and the PEM.
    Memory(&'static str, Arc<[u8]>),
}

impl Source {
    fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => {
                let mut bytes = Vec::new();
                File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > LARGEST {
                    let message = format!("it is larger than {LARGEST} bytes");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
                }
                Ok(bytes)
            }
            Self::Memory(_, bytes) => Ok(bytes.to_vec()),
        }
    }

    /// Adds the present contents of a file, or why it cannot be read, to what is compared by a watch.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        if let Self::File(_) = self {
            self.read().map_err(|error| error.kind()).hash(hasher);
        }
    }

    fn read_pem(&self) -> Result<Vec<u8>, Error> {
        self.read().map_err(|error| unusable_by(format!("cannot read {self}"), error))
    }

    /// Reads all certificates in it, at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let bytes = self.read_pem()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match found {
            Ok(found) if found.is_empty() => Err(unusable(format!("there is no PEM certificate in {self}"))),
            Ok(found) => Ok(found),
            Err(error) => Err(self.not_pem(&error)),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        let bytes = self.read_pem()?;
        match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => {
                let is_encrypted = bytes.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
                let rest = if is_encrypted { "is encrypted, and must not be" } else { "is missing" };
                Err(unusable(format!("the private key in {self} {rest}")))
            }
            Err(error) => Err(self.not_pem(&error)),
        }
    }

    /// The error of PEM that cannot be read. It has nothing from the file in it, as that may be a part of a key.
    fn not_pem(&self, error: &pem::Error) -> Error {
        let what = match error {
            pem::Error::MissingSectionEnd { .. } => "the line with END is missing",
            pem::Error::IllegalSectionStart { .. } => "a line with BEGIN is incomplete",
            pem::Error::Base64Decode(_) => "what is in it is not base64",
            _ => "it cannot be read",
        };
        unusable(format!("{self} is not PEM: {what}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(what, _) => write!(f, "{what} in memory"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(super) fn unusable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tls, Origin::Local, message)
}

pub(super) fn unusable_by(
    message: impl Into<String>,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::with_source(ErrorKind::Tls, Origin::Local, message, source)
}

/// A file is not read further than this. The certificates of all public authorities take a fifth of it.
const LARGEST: u64 = 1 << 20;

const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";
