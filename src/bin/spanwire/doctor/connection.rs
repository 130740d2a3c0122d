//! How a server is reached: with which headers, trusting whom and through which proxy.
//!
//! For a collector it is what the exporter would do, so that both find the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};
use rustls::pki_types::CertificateDer;
use spanwire::telemetry::{OtlpDestination, Proxy};
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider};

#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) proxy: Option<Proxy>,
    /// The authorities that are trusted instead of the system's.
    certificate_file: Option<PathBuf>,
    /// The client's certificate and its key.
    client_certificate_files: Option<(PathBuf, PathBuf)>,
}

impl Connection {
    /// As the exporter of that signal connects.
    pub(super) fn like_exporter(destination: &OtlpDestination<'_>) -> Self {
        let headers = destination.headers().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_bytes(value).ok()?;
            // `Debug` of a sensitive value prints no content: it is mostly a token.
            value.set_sensitive(true);
            Some((name.parse().ok()?, value))
        });
        let client = destination.client_certificate_files();
        Self {
            headers: headers.collect(),
            proxy: destination.proxy().cloned(),
            certificate_file: destination.certificate_file().map(Path::to_owned),
            client_certificate_files: client.map(|(cert, key)| (cert.to_owned(), key.to_owned())),
        }
    }

    /// Without headers and certificates: they are for the collector that the environment names.
    pub(super) fn through(proxy: Option<&Proxy>) -> Self {
        Self {
            proxy: proxy.cloned(),
            ..Self::default()
        }
    }

    /// A client for `url` alone.
    pub(super) fn agent(&self, url: &Uri) -> Agent {
        let mut config = Agent::config_builder()
            // A 401 or 404 is an answer that the doctor explains.
            .http_status_as_error(false)
            // The exporter follows none either: it would carry the headers to another host.
            .max_redirects(0)
            // One client asks one server, one request after the other.
            .max_idle_connections(1);
        if url.scheme_str() == Some("https") {
            // Only then: reading the system's certificates takes time.
            config = config.tls_config(self.tls());
        }
        // Always set, since `ureq` would otherwise read the environment by rules of its own.
        let proxy = self.proxy.as_ref();
        let proxy = proxy.and_then(|proxy| ureq::Proxy::new(&proxy.url()).ok());
        config.proxy(proxy).build().new_agent()
    }

    fn tls(&self) -> TlsConfig {
        let roots: RootCerts = match &self.certificate_file {
            Some(file) => certificates(file).into_iter().into(),
            None => {
                // The system's, since a company's own CA is installed there.
                let native = rustls_native_certs::load_native_certs();
                let roots = native.certs.iter();
                roots
                    .map(|root| Certificate::from_der(root).to_owned())
                    .into()
            }
        };
        let client = self.client_certificate_files.as_ref();
        let client = client.and_then(|(certificate, key)| {
            let key = PrivateKey::from_pem(&std::fs::read(key).ok()?).ok()?;
            Some(ClientCert::new_with_certs(&certificates(certificate), key))
        });
        TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            // The doctor gives the provider explicitly: rustls has no default where several
            // providers are compiled in.
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(roots)
            .client_cert(client)
            .build()
    }
}

/// The certificates in a PEM file. The library has read it already, and turns a signal off whose
/// file has none; without any, every connection fails.
fn certificates(file: &Path) -> Vec<Certificate<'static>> {
    let text = std::fs::read(file).unwrap_or_default();
    ureq::tls::parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        // A PEM file may hold something else that calls itself a certificate.
        .filter(|certificate| {
            let der = CertificateDer::from(certificate.der());
            rustls::server::ParsedCertificate::try_from(&der).is_ok()
        })
        .collect()
}
