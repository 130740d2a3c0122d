//! Where a signal goes, to read.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::Uri;

use crate::telemetry::export::http_client::origin;
use crate::telemetry::export::otlp::Route;
use crate::telemetry::export::proxy::Proxy;

/// Where one signal is sent over OTLP/HTTP, and how.
///
/// Its `Debug` shows the origin of the URL and the names of the headers, and nothing secret.
#[derive(Clone, Copy)]
pub struct OtlpDestination<'a> {
    route: &'a Route,
}

impl<'a> OtlpDestination<'a> {
    pub(crate) fn new(route: &'a Route) -> Self {
        Self { route }
    }

    /// The signal's URL, without user and password, which are a [header](Self::headers). Some vendors have a token in its path, so log
    /// [`origin`](Self::origin) instead.
    #[must_use]
    pub fn url(&self) -> &'a str {
        &self.route.url
    }

    /// Scheme, host and port of the URL.
    #[must_use]
    pub fn origin(&self) -> String {
        let uri: Option<Uri> = self.route.url.parse().ok();
        uri.map_or_else(String::new, |uri| origin(&uri))
    }

    /// The headers that the user adds to each request, and what the URL's user and password come to:
    /// not for a log.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let headers = self.route.connection.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// How long one export may take, repetitions included.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.route.connection.timeout
    }

    /// The file with the authorities that are trusted instead of the system's.
    #[must_use]
    pub fn certificate_file(&self) -> Option<&'a Path> {
        let authority = self.route.connection.tls.authority.as_ref()?;
        Some(authority.path())
    }

    /// The files with the client's certificate and with its key.
    #[must_use]
    pub fn client_certificate_files(&self) -> Option<(&'a Path, &'a Path)> {
        let (certificate, key) = self.route.connection.tls.client.as_ref()?;
        Some((certificate.path(), key.path()))
    }

    /// The proxy that requests go through.
    #[must_use]
    pub fn proxy(&self) -> Option<&'a Proxy> {
        self.route.connection.proxy.as_ref()
    }
}

impl fmt::Debug for OtlpDestination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers().map(|(name, _)| name).collect();
        // The URL's path is left out, since some vendors have a token in it.
        f.debug_struct("OtlpDestination")
            .field("origin", &self.origin())
            .field("headers", &headers)
            .field("timeout", &self.timeout())
            .field("certificate_file", &self.certificate_file())
            .field("client_certificate_files", &self.client_certificate_files())
            .field("proxy", &self.proxy())
            .finish_non_exhaustive()
    }
}
