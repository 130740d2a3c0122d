//! Certificates: the roots that are trusted, the client's own, and errors that say which is wrong.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use crate::telemetry::diagnostics::flaw::Flaw;

/// Certificates from a PEM file, which is read once, when telemetry is set up.
#[derive(Clone)]
pub(crate) struct Pem {
    path: Arc<str>,
    certificates: Arc<[Certificate<'static>]>,
}

impl Pem {
    pub(crate) fn read(path: &str) -> Result<Self, Flaw> {
        let path = path.trim();
        let text = read(path)?;
        let certificates: Arc<[_]> = ureq::tls::parse_pem(&text)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            // A file may hold PEM armour around anything; what is no certificate trusts nothing.
            .filter(|certificate| {
                let der = CertificateDer::from(certificate.der());
                rustls::server::ParsedCertificate::try_from(&der).is_ok()
            })
            .collect();
        if certificates.is_empty() {
            return Err(Flaw::said("the file has no certificate"));
        }
        Ok(Self {
            path: path.into(),
            certificates,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new(&*self.path)
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({:?})", self.path)
    }
}

/// The path is not told: some put the certificate or the key itself in its place.
fn read(path: &str) -> Result<Vec<u8>, Flaw> {
    std::fs::read(Path::new(path)).map_err(|error| {
        let why = error.kind();
        Flaw::said(format!("the file cannot be read: {why}"))
    })
}

/// A private key from a PEM file.
#[derive(Clone)]
pub(crate) struct ClientKey {
    path: Arc<str>,
    pem: Arc<[u8]>,
}

impl ClientKey {
    pub(crate) fn read(path: &str) -> Result<Self, Flaw> {
        let path = path.trim();
        let pem = read(path)?;
        // ureq's parser and not rustls' alone, since ureq reads the key again for the connection.
        PrivateKey::from_pem(&pem).map_err(|_| Flaw::said("the file has no private key"))?;
        Ok(Self {
            path: path.into(),
            pem: pem.into(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new(&*self.path)
    }

    /// Whether it is the key of that certificate. The transport would panic on one that is not.
    pub(crate) fn belongs_to(&self, certificate: &Pem) -> bool {
        use rustls::pki_types::pem::PemObject;
        let Ok(key) = PrivateKeyDer::from_pem_slice(&self.pem) else {
            return false;
        };
        let chain: Vec<_> = certificate
            .certificates
            .iter()
            .map(|certificate| CertificateDer::from(certificate.der()).into_owned())
            .collect();
        let provider = rustls::crypto::ring::default_provider();
        // rustls compares the public keys. Where it cannot tell, the pair counts as fitting.
        rustls::sign::CertifiedKey::from_der(chain, key, &provider).is_ok()
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({:?})", self.path)
    }
}

/// What a connection to a collector trusts and shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    /// The authority that signed the collector's certificate; without it, the system's are trusted.
    pub(crate) authority: Option<Pem>,
    /// Checked to belong together.
    pub(crate) client: Option<(Pem, ClientKey)>,
}

impl Tls {
    /// Reads the system's roots when there is no authority, which takes some milliseconds: called
    /// on the thread that sends.
    pub(crate) fn config(&self) -> TlsConfig {
        let roots: RootCerts = match &self.authority {
            Some(pem) => pem.certificates.iter().cloned().into(),
            None => {
                // Roots that cannot be read are left out. Without any, each handshake fails with an
                // unknown issuer, and `explain` says so.
                let native = rustls_native_certs::load_native_certs();
                let roots = native.certs.iter();
                roots
                    .map(|root| Certificate::from_der(root).to_owned())
                    .into()
            }
        };
        let client = self.client.as_ref().and_then(|(certificate, key)| {
            let key = PrivateKey::from_pem(&key.pem).ok()?;
            Some(ClientCert::new_with_certs(&certificate.certificates, key))
        });
        TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            // The configuration names the provider, since ureq panics if the process has no default
            // provider, and must not depend on one that another crate has set.
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(roots)
            .client_cert(client)
            .build()
    }

    /// What is wrong with the connection to `origin`, in words that lead to the cause.
    pub(crate) fn explain(&self, error: &rustls::Error, origin: &str) -> String {
        use rustls::CertificateError as Bad;
        let rustls::Error::InvalidCertificate(bad) = error else {
            return format!("TLS with {origin} failed: {error}");
        };
        match bad {
            Bad::UnknownIssuer | Bad::BadSignature => match &self.authority {
                Some(pem) => format!(
                    "the certificate of {origin} is not signed by a CA in {}",
                    pem.path
                ),
                None => format!(
                    "the certificate of {origin} is not signed by a CA that this system trusts; \
                     a private CA goes into OTEL_EXPORTER_OTLP_CERTIFICATE"
                ),
            },
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                format!("the certificate of {origin} is for another host")
            }
            Bad::Expired | Bad::ExpiredContext { .. } => {
                format!("the certificate of {origin} has expired")
            }
            // The text is all that rustls shows of it.
            Bad::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
                "the certificate of {origin} is a CA's, as `openssl req -x509` makes it, and TLS \
                 here takes none for a server: make it with `-addext \
                 basicConstraints=critical,CA:FALSE` and `-addext subjectAltName=DNS:…`, or sign \
                 one for the server with a CA of your own"
            ),
            other => format!("the certificate of {origin} is refused: {other}"),
        }
    }
}
