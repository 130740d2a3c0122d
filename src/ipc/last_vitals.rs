//! The last web vital of each name, for readers that have no recorder.

use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::inbound_message::{PageTime, WebVitalName};

/// The last value of each web vital.
#[derive(Debug)]
// Bits of a float, since there is no atomic one.
pub(super) struct LastVitals([AtomicU64; WebVitalName::ALL.len()]);

/// No such value comes from a page.
const NONE: u64 = f64::NAN.to_bits();

impl Default for LastVitals {
    fn default() -> Self {
        Self([const { AtomicU64::new(NONE) }; WebVitalName::ALL.len()])
    }
}

impl LastVitals {
    pub(super) fn set(&self, name: WebVitalName, value: PageTime) {
        let seconds = value.as_ms() / 1_000.0;
        // Relaxed: the value stands alone.
        self.0[name as usize].store(seconds.to_bits(), Ordering::Relaxed);
    }

    /// The names of those that the page told, each with its seconds.
    #[cfg(feature = "system")]
    pub(super) fn seconds(&self) -> Vec<(&'static str, f64)> {
        WebVitalName::ALL
            .into_iter()
            .zip(&self.0)
            .map(|(name, bits)| (name.as_str(), f64::from_bits(bits.load(Ordering::Relaxed))))
            .filter(|(_, seconds)| !seconds.is_nan())
            .collect()
    }
}
