//! From the exporters of `opentelemetry-otlp` to the request that they would send.
//!
//! They encode, compress and address a batch, and hand the request to a client. This client keeps
//! it, so that what is sent, spooled or split is decided here, in one place, and not behind them.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_sdk::error::OTelSdkError;

use super::result::ExportError;
use crate::semconv::ExportErrorType;

/// The client of one exporter. Clones share the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder(Arc<Mutex<Option<Request<Bytes>>>>);

impl Encoder {
    /// The request that `export` makes.
    ///
    /// # Errors
    ///
    /// When the exporter cannot encode its batch.
    pub(crate) fn request(
        &self,
        export: impl Future<Output = Result<(), OTelSdkError>>,
    ) -> Result<Request<Bytes>, ExportError> {
        // This client does not wait, and nothing else is awaited: one poll is the whole export.
        let outcome = export.now_or_never();
        let internal = |message: String| ExportError::new(ExportErrorType::Internal, message);
        // The encoder takes the request in every case: a request that stayed behind would be sent
        // as the next batch's. The exporter's verdict on our empty answer does not matter.
        match (self.slot().take(), outcome) {
            (Some(request), _) => Ok(request),
            (None, Some(Err(error))) => Err(internal(error.to_string())),
            (None, _) => Err(internal("the exporter made no request".into())),
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Request<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HttpClient for Encoder {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        *self.slot() = Some(request);
        Ok(Response::new(Bytes::new()))
    }
}
