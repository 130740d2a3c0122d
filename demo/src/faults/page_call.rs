//! A call that the page is asked to make.

use serde::Serialize;

/// What the page is asked to call, and how often at once.
#[derive(Debug, Serialize)]
pub(super) struct PageCall {
    event: &'static str,
    times: u32,
    #[serde(rename = "timeoutMs")]
    timeout_ms: Option<u32>,
}

impl PageCall {
    pub(super) fn once(event: &'static str) -> Self {
        Self::repeated(event, 1)
    }

    pub(super) fn repeated(event: &'static str, times: u32) -> Self {
        Self {
            event,
            times,
            timeout_ms: None,
        }
    }

    /// The page gives it up after so long.
    pub(super) fn given_up_after(event: &'static str, timeout_ms: u32) -> Self {
        Self {
            timeout_ms: Some(timeout_ms),
            ..Self::once(event)
        }
    }
}
