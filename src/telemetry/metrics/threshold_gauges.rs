//! The thresholds in force, as gauges, so that alerts compare with what the app uses.

use std::time::Duration;

use metrics::Gauge;

use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::{ERROR_RATE_THRESHOLD, IPC_SLOW_THRESHOLD};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::timer;

/// Tells the thresholds whenever somebody looks.
#[derive(Debug)]
pub(crate) struct ThresholdGauges {
    pub(crate) ipc_slow: Duration,
    pub(crate) error_rate: f64,
    pub(crate) local_recorder: LocalRecorder,
    gauges: Instruments<Gauges>,
}

struct Gauges {
    ipc_slow: Gauge,
    error_rate: Gauge,
}

impl ThresholdGauges {
    pub(crate) fn new(ipc_slow: Duration, error_rate: f64, local_recorder: LocalRecorder) -> Self {
        Self {
            ipc_slow,
            error_rate,
            local_recorder,
            gauges: Instruments::new(),
        }
    }
}

impl Publish for ThresholdGauges {
    fn publish(&self, _: &mut GaugeSums) {
        let register = || Gauges {
            ipc_slow: handles::gauge(&IPC_SLOW_THRESHOLD, &[]),
            error_rate: handles::gauge(&ERROR_RATE_THRESHOLD, &[]),
        };
        self.local_recorder.run(|| {
            // Before the first operation too.
            timer::publish_slow_threshold();
            if let Some(gauges) = self.gauges.get(register) {
                gauges.ipc_slow.set(self.ipc_slow);
                gauges.error_rate.set(self.error_rate);
            }
        });
    }
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gauges")
    }
}
