//! Files and PEM that cannot be used: the error names the file, and what is wrong with it.

use std::fs;
use std::path::PathBuf;

use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, ServerTls};
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::certs::{Authority, write_all};

use crate::NAMES;

/// A directory of its own, with all files in it. It is removed in the end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cmd-stream-tls-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        write_all(&path).expect("a temporary directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::files(self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn assert_unusable(error: &Error, says: &str) {
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Tls, Origin::Local));
    let error = format!("{error:#}");
    assert!(error.contains(says), "\"{error}\" does not say \"{says}\"");
}

#[test]
fn each_mistake_is_named_with_its_file() {
    let directory = Directory::new("mistakes");
    let authority = Authority::new("ca");
    let (one, other) = (authority.server(NAMES), authority.server(NAMES));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cut = &one.chain[..one.chain.len() / 2];
    let not_base64 = one.chain.replacen('M', "!", 1);
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (chain, key, says) in [
        ("", &*one.key, "there is no PEM certificate in CHAIN"),
        ("no PEM at all", &one.key, "there is no PEM certificate in CHAIN"),
        (&one.key, &one.key, "there is no PEM certificate in CHAIN"),
        (cut, &one.key, "CHAIN is not PEM: the line with END is missing"),
        (&not_base64, &one.key, "CHAIN is not PEM: what is in it is not base64"),
        (not_der, &one.key, "the certificate in CHAIN cannot be read"),
        (&one.chain, "", "the private key in KEY is missing"),
        (&one.chain, &one.chain, "the private key in KEY is missing"),
        (&one.chain, encrypted, "the private key in KEY is encrypted, and must not be"),
        (&one.chain, no_key, "the private key in KEY cannot be used"),
        (&one.chain, &other.key, "the private key in KEY is not that of the certificate in CHAIN"),
    ] {
        fs::write(directory.path("server.pem"), chain).unwrap();
        fs::write(directory.path("server.key"), key).unwrap();
        let paths = ["server.pem", "server.key"].map(|name| directory.path(name).display().to_string());
        let in_files = says.replace("CHAIN", &paths[0]).replace("KEY", &paths[1]);
        let in_memory = says
            .replace("CHAIN", "the certificate chain in memory")
            .replace("KEY", "the private key in memory");
        for (identity, says) in
            [(directory.identity("server"), in_files), (Identity::pem(chain, key), in_memory)]
        {
            assert_unusable(&ServerTls::builder(identity.clone()).build().unwrap_err(), &says);
            let client = ClientTls::builder().authorities(Authorities::pem(authority.pem()));
            assert_unusable(&client.identity(identity).build().unwrap_err(), &says);
        }
    }
}

#[cfg(unix)]
#[test]
fn files_that_are_missing_or_endless_are_named() {
    let directory = Directory::new("missing");
    let nowhere = directory.path("nowhere.pem");
    let says = format!("cannot read {}: No such file", nowhere.display());
    let identity = directory.identity("server");
    for error in [
        ServerTls::builder(Identity::files(&nowhere, directory.path("server.key"))).build().map(drop),
        ServerTls::builder(Identity::files(directory.path("server.pem"), &nowhere)).build().map(drop),
        ServerTls::builder(identity.clone()).also(Identity::files(&nowhere, &nowhere)).build().map(drop),
        ServerTls::builder(identity.clone())
            .require_client_certificates(Authorities::file(&nowhere))
            .build()
            .map(drop),
        ClientTls::builder().authorities(Authorities::file(&nowhere)).build().map(drop),
    ] {
        assert_unusable(&error.unwrap_err(), &says);
    }
    let endless = Authorities::file("/dev/zero");
    let error = ClientTls::builder().authorities(endless).build().unwrap_err();
    assert_unusable(&error, "cannot read /dev/zero: it is larger than 1048576 bytes");
}

#[test]
fn authorities_that_are_none_are_named() {
    for (pem, says) in [
        ("", "there is no PEM certificate in the certificates of the authorities in memory"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "a certificate in the certificates of the authorities in memory cannot be used",
        ),
    ] {
        let error = ClientTls::builder().authorities(Authorities::pem(pem)).build().unwrap_err();
        assert_unusable(&error, says);
        let identity = Authority::new("ca").server(NAMES);
        let server =
            ServerTls::builder(crate::identity(&identity)).require_client_certificates(Authorities::pem(pem));
        assert_unusable(&server.build().unwrap_err(), says);
    }
}

#[test]
fn debug_shows_no_keys() {
    let issued = Authority::new("ca").server(NAMES);
    let identity = crate::identity(&issued);
    let settings = ServerTls::builder(identity.clone());
    let debug = format!("{identity:?} {settings:?} {:?}", settings.clone().build().unwrap());
    assert!(!debug.contains("BEGIN") && debug.len() < 500, "{debug}");
}
