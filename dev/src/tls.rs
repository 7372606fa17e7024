//! A certificate authority of a moment, and a certificate of its for this machine, so that what needs https has it.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A private authority's certificate, and one for `localhost`, `127.0.0.1` and `::1` with its key; all PEM.
#[derive(Clone)]
pub struct DevTls {
    pub ca_pem: String,
    pub cert_pem: String,
    key_pem: String,
}

/// The files of a [`DevTls`].
#[derive(Clone, Debug)]
pub struct DevTlsFiles {
    pub ca: PathBuf,
    pub cert: PathBuf,
    /// Readable by its owner alone.
    pub key: PathBuf,
}

impl DevTls {
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "driftless dev");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?;
        Ok(Self { ca_pem: authority.pem(), cert_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// What axum-server serves with.
    pub async fn rustls(&self) -> io::Result<axum_server::tls_rustls::RustlsConfig> {
        axum_server::tls_rustls::RustlsConfig::from_pem(
            self.cert_pem.clone().into_bytes(),
            self.key_pem.clone().into_bytes(),
        )
        .await
    }

    /// Writes `ca.pem`, `cert.pem` and `key.pem` into a directory that is there.
    pub fn write(&self, dir: &Path) -> io::Result<DevTlsFiles> {
        let files = DevTlsFiles { ca: dir.join("ca.pem"), cert: dir.join("cert.pem"), key: dir.join("key.pem") };
        std::fs::write(&files.ca, &self.ca_pem)?;
        std::fs::write(&files.cert, &self.cert_pem)?;
        write_private(&files.key, &self.key_pem)?;
        Ok(files)
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
