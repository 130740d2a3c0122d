//! Writes a sample to its gauges.

use std::sync::OnceLock;

use metrics::Gauge;

use crate::instrument::handles::{self, Instruments};
use crate::semconv::{self, Metric};
use crate::system::{SystemSample, WebviewProcessType};

/// The gauges of a sample, with the recorder in force.
#[derive(Debug)]
pub(super) struct Gauges(Instruments<Handles>);

#[derive(Debug)]
struct Handles {
    cpu: Late,
    memory: Late,
    virtual_memory: Late,
    threads: Late,
    open_files: Late,
    uptime: Late,
    host_cpu: Late,
    host_memory: Late,
    host_memory_limit: Late,
    webview: [WebviewHandles; WebviewProcessType::ALL.len()],
}

#[derive(Debug)]
struct WebviewHandles {
    count: Late,
    cpu: Late,
    memory: Late,
}

impl Gauges {
    pub(super) const fn new() -> Self {
        Self(Instruments::new())
    }

    /// Writes what the sample knows; what it does not know stays as it was.
    pub(super) fn record(&self, sample: &SystemSample) {
        let Some(gauges) = self.0.get(Handles::new) else {
            return;
        };
        let count = |count: Option<u64>| count.map(|count| count as f64);
        gauges.cpu.set(sample.cpu_utilization);
        gauges.memory.set(Some(sample.memory_bytes as f64));
        gauges.virtual_memory.set(Some(sample.virtual_bytes as f64));
        gauges.threads.set(count(sample.threads));
        gauges.open_files.set(count(sample.open_files));
        gauges.uptime.set(Some(sample.uptime.as_secs_f64()));
        gauges.host_cpu.set(sample.host_cpu_utilization);
        gauges.host_memory.set(sample.host_memory_utilization);
        gauges
            .host_memory_limit
            .set(count(sample.host_memory_bytes));
        for sum in &sample.webview_processes {
            let gauges = &gauges.webview[sum.process_type.index()];
            gauges.count.set(Some(sum.count as f64));
            gauges.cpu.set(sum.cpu_utilization);
            gauges.memory.set(Some(sum.memory_bytes as f64));
        }
    }
}

impl Handles {
    fn new() -> Self {
        let late = |metric| Late::new(metric, None);
        Self {
            cpu: late(&semconv::PROCESS_CPU_UTILIZATION),
            memory: late(&semconv::PROCESS_MEMORY_USAGE),
            virtual_memory: late(&semconv::PROCESS_MEMORY_VIRTUAL),
            threads: late(&semconv::PROCESS_THREAD_COUNT),
            open_files: late(&semconv::PROCESS_FILE_DESCRIPTOR_COUNT),
            uptime: late(&semconv::PROCESS_UPTIME),
            host_cpu: late(&semconv::SYSTEM_CPU_UTILIZATION),
            host_memory: late(&semconv::SYSTEM_MEMORY_UTILIZATION),
            host_memory_limit: late(&semconv::SYSTEM_MEMORY_LIMIT),
            webview: WebviewProcessType::ALL.map(|process_type| {
                let late = |metric| Late::new(metric, Some(process_type));
                WebviewHandles {
                    count: late(&semconv::WEBVIEW_PROCESS_COUNT),
                    cpu: late(&semconv::WEBVIEW_PROCESS_CPU_UTILIZATION),
                    memory: late(&semconv::WEBVIEW_PROCESS_MEMORY_USAGE),
                }
            }),
        }
    }
}

/// A gauge that is registered with its first value, since one without shows a zero that nobody
/// measured.
#[derive(Debug)]
struct Late {
    metric: &'static Metric,
    process_type: Option<WebviewProcessType>,
    gauge: OnceLock<Gauge>,
}

impl Late {
    const fn new(metric: &'static Metric, process_type: Option<WebviewProcessType>) -> Self {
        Self {
            metric,
            process_type,
            gauge: OnceLock::new(),
        }
    }

    fn set(&self, value: Option<f64>) {
        let Some(value) = value else { return };
        let gauge = self.gauge.get_or_init(|| match self.process_type {
            None => handles::gauge(self.metric, &[]),
            Some(process_type) => handles::gauge(
                self.metric,
                &[(semconv::WEBVIEW_PROCESS_TYPE, process_type.as_str())],
            ),
        });
        gauge.set(value);
    }
}
