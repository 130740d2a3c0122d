//! What the threads of the process compute: stacks that are sampled, kept in the history.

#[cfg(not(all(feature = "profile", any(target_os = "linux", target_os = "macos"))))]
mod absent;
#[cfg(all(feature = "profile", any(target_os = "linux", target_os = "macos")))]
mod names;
#[cfg(all(feature = "profile", any(target_os = "linux", target_os = "macos")))]
mod sampler;
pub(super) mod stacks;
pub(super) mod table;
#[cfg(all(feature = "profile", any(target_os = "linux", target_os = "macos")))]
mod unwinding;

#[cfg(not(all(feature = "profile", any(target_os = "linux", target_os = "macos"))))]
pub(super) use absent::Profiler;
#[cfg(all(feature = "profile", any(target_os = "linux", target_os = "macos")))]
pub(super) use sampler::Profiler;

/// Whether a process can be sampled from within on this system.
pub(crate) const IS_SUPPORTED: bool = cfg!(any(target_os = "linux", target_os = "macos"));
