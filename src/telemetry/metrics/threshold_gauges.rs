//! The thresholds in force, as gauges, so that alerts compare with what the app uses.

use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;

use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::{
    ERROR_RATE_THRESHOLD, IPC_SLOW_THRESHOLD, THRESHOLD_EXCEEDED, THRESHOLD_KIND,
};
use crate::telemetry::consent::Switch;
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::thresholds::{ThresholdKind, ThresholdWatch};
use crate::timer;

/// Tells the thresholds whenever somebody looks.
#[derive(Debug)]
pub(crate) struct ThresholdGauges {
    pub(crate) ipc_slow: Duration,
    pub(crate) error_rate: f64,
    pub(crate) local_recorder: LocalRecorder,
    watch: ThresholdWatch,
    switch: Arc<Switch>,
    gauges: Instruments<Gauges>,
}

struct Gauges {
    ipc_slow: Gauge,
    error_rate: Gauge,
    exceeded: Vec<Gauge>,
}

impl ThresholdGauges {
    pub(crate) fn new(
        ipc_slow: Duration,
        error_rate: f64,
        local_recorder: LocalRecorder,
        watch: ThresholdWatch,
        switch: Arc<Switch>,
    ) -> Self {
        Self {
            ipc_slow,
            error_rate,
            local_recorder,
            watch,
            switch,
            gauges: Instruments::new(),
        }
    }
}

impl Publish for ThresholdGauges {
    fn publish(&self, _: &mut GaugeSums) {
        let register = || Gauges {
            ipc_slow: handles::gauge(&IPC_SLOW_THRESHOLD, &[]),
            error_rate: handles::gauge(&ERROR_RATE_THRESHOLD, &[]),
            exceeded: ThresholdKind::ALL
                .iter()
                .map(|kind| handles::gauge(&THRESHOLD_EXCEEDED, &[(THRESHOLD_KIND, kind.as_str())]))
                .collect(),
        };
        // What ends in a pause counts for nothing: see `Telemetry::resume`, which publishes at its end.
        if self.switch.is_paused() {
            self.watch.forget();
        } else {
            self.watch.look();
        }
        self.local_recorder.run(|| {
            // Before the first operation too.
            timer::publish_slow_threshold();
            // `None` without a recorder: the watch above has looked all the same.
            if let Some(gauges) = self.gauges.get(register) {
                gauges.ipc_slow.set(self.ipc_slow);
                gauges.error_rate.set(self.error_rate);
                for (gauge, names) in gauges.exceeded.iter().zip(self.watch.exceeded()) {
                    gauge.set(names as f64);
                }
            }
        });
    }
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gauges")
    }
}
