//! What the app's memory allocator says of itself.

use std::fmt;
use std::sync::Arc;

use crate::instrument::caught_panic::catch_panic;

/// The app's memory allocator, which the sampler asks with each sample.
///
/// Only the app knows which allocator it has, and how to ask it; a closure will do. It runs on the
/// sampler's thread, once per interval, so it may take a lock of the allocator's, and should not walk
/// the heap. A panic is caught, and leaves that sample without figures.
///
/// ```
/// use spanwire::system::AllocatorFigures;
/// use spanwire::telemetry::Telemetry;
/// # fn allocated_now() -> u64 { 1 << 20 }
/// # fn mapped_now() -> u64 { 2 << 20 }
///
/// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
/// let builder = builder.allocator(|| {
///     AllocatorFigures::allocated(allocated_now()).mapped(mapped_now())
/// });
/// # drop(builder);
/// ```
///
/// The example `allocator` asks glibc's.
pub trait Allocator: Send + Sync {
    /// What it holds now.
    fn figures(&self) -> AllocatorFigures;
}

impl<F> Allocator for F
where
    F: Fn() -> AllocatorFigures + Send + Sync,
{
    fn figures(&self) -> AllocatorFigures {
        self()
    }
}

/// What an allocator holds, in bytes. What it does not tell is `None`, never a zero.
///
/// Each includes the one before it: the difference between what is allocated and what is resident or
/// mapped is what the allocator keeps, by fragmentation or for later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocatorFigures {
    /// What the app has allocated and not freed.
    pub allocated_bytes: Option<u64>,
    /// Physical memory that the allocator holds.
    pub resident_bytes: Option<u64>,
    /// Memory that the allocator has mapped from the operating system.
    pub mapped_bytes: Option<u64>,
}

impl AllocatorFigures {
    /// Of an allocator that tells what the app has allocated and not freed.
    #[must_use]
    pub fn allocated(bytes: u64) -> Self {
        Self {
            allocated_bytes: Some(bytes),
            ..Self::default()
        }
    }

    /// The same, with the physical memory that the allocator holds.
    #[must_use]
    pub fn resident(mut self, bytes: u64) -> Self {
        self.resident_bytes = Some(bytes);
        self
    }

    /// The same, with the memory that the allocator has mapped from the operating system.
    #[must_use]
    pub fn mapped(mut self, bytes: u64) -> Self {
        self.mapped_bytes = Some(bytes);
        self
    }
}

/// The app's allocator, if it gave one.
#[derive(Default)]
pub(super) struct AppAllocator(pub(super) Option<Arc<dyn Allocator>>);

impl AppAllocator {
    /// What it says; nothing where there is none, and where it panics.
    pub(super) fn figures(&self) -> AllocatorFigures {
        let asked = self.0.as_ref().map(|of| catch_panic(|| of.figures()));
        asked.and_then(Result::ok).unwrap_or_default()
    }
}

impl fmt::Debug for AppAllocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AppAllocator")
            .field(&self.0.is_some())
            .finish()
    }
}
