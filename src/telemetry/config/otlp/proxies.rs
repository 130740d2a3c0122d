//! Which proxy the environment puts before a URL.

use http::Uri;

use crate::telemetry::config::routing::Routing;
use crate::telemetry::export::proxy::{NoProxy, Proxy, is_local};

/// The proxies of the environment, chosen among as curl does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    pub(crate) http: Routing<Proxy>,
    pub(crate) https: Routing<Proxy>,
    /// For either scheme that has none of its own.
    pub(crate) all: Routing<Proxy>,
    pub(crate) exempt: Routing<NoProxy>,
}

impl Proxies {
    /// The setting for this URL, unless `NO_PROXY` names it. None leads to this machine.
    pub(crate) fn before(&self, url: &Uri) -> &Routing<Proxy> {
        // From a proxy's machine the loopback address leads to that machine.
        if is_local(url) {
            return &Routing::Unset;
        }
        match url.scheme_str() {
            Some("https") => self.https.or(&self.all),
            _ => self.http.or(&self.all),
        }
    }
}
