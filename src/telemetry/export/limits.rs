//! Bounds of what is exported; the configuration fills them.

use std::time::Duration;

/// How a batch processor queues and sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchLimits {
    pub(crate) queue_max: usize,
    pub(crate) batch_max: usize,
    pub(crate) delay: Duration,
    pub(crate) timeout: Duration,
}

/// How much of each a span of a page may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSpanLimits {
    pub(crate) attributes: usize,
    pub(crate) events: usize,
    pub(crate) links: usize,
    pub(crate) attributes_of_event: usize,
    pub(crate) attributes_of_link: usize,
}
