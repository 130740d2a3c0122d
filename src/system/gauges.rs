//! Writes a sample to its gauges.

use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::Gauge;

use crate::instrument::handles::{self, Instruments};
use crate::semconv::{self, Metric};
use crate::system::{CpuMode, SystemSample, ThreadCpu, WebviewProcessType};

/// The gauges of a sample, with the recorder in force.
#[derive(Debug)]
pub(super) struct Gauges(Instruments<Handles>);

#[derive(Debug)]
struct Handles {
    cpu: Cpu,
    memory: Late,
    virtual_memory: Late,
    allocated: Late,
    allocator_resident: Late,
    allocator_mapped: Late,
    threads: Late,
    /// By name, of which there are few.
    // Behind a lock since handles are shared; only the sampler's thread takes it.
    thread_cpu: Mutex<Vec<(Box<str>, Gauge)>>,
    open_files: Late,
    uptime: Late,
    host_cpu: Cpu,
    host_memory: Late,
    host_memory_limit: Late,
    // By `WebviewProcessType::index`.
    webview: [WebviewHandles; WebviewProcessType::ALL.len()],
}

#[derive(Debug)]
struct WebviewHandles {
    count: Late,
    cpu: Cpu,
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
        // Gauges are floats. Counts of this size fit exactly.
        let count = |count: Option<u64>| count.map(|count| count as f64);
        gauges.cpu.set(sample.cpu_utilization, &sample.cpu_modes);
        gauges.memory.set(Some(sample.memory_bytes as f64));
        gauges.virtual_memory.set(Some(sample.virtual_bytes as f64));
        let allocator = &sample.allocator;
        gauges.allocated.set(count(allocator.allocated_bytes));
        gauges
            .allocator_resident
            .set(count(allocator.resident_bytes));
        gauges.allocator_mapped.set(count(allocator.mapped_bytes));
        gauges.threads.set(count(sample.threads));
        gauges.record_threads(&sample.thread_cpu);
        gauges.open_files.set(count(sample.open_files));
        gauges.uptime.set(Some(sample.uptime.as_secs_f64()));
        gauges
            .host_cpu
            .set(sample.host_cpu_utilization, &sample.host_cpu_modes);
        gauges.host_memory.set(sample.host_memory_utilization);
        gauges
            .host_memory_limit
            .set(count(sample.host_memory_bytes));
        for sum in &sample.webview_processes {
            let gauges = &gauges.webview[sum.process_type.index()];
            gauges.count.set(Some(sum.count as f64));
            gauges.cpu.set(sum.cpu_utilization, &sum.cpu_modes);
            gauges.memory.set(Some(sum.memory_bytes as f64));
        }
    }
}

impl Handles {
    fn new() -> Self {
        let late = |metric| Late::new(metric, Vec::new());
        let cpu = |metric| Cpu::new(metric, &[]);
        Self {
            cpu: cpu(&semconv::PROCESS_CPU_UTILIZATION),
            memory: late(&semconv::PROCESS_MEMORY_USAGE),
            virtual_memory: late(&semconv::PROCESS_MEMORY_VIRTUAL),
            allocated: late(&semconv::ALLOCATOR_ALLOCATED),
            allocator_resident: late(&semconv::ALLOCATOR_RESIDENT),
            allocator_mapped: late(&semconv::ALLOCATOR_MAPPED),
            threads: late(&semconv::PROCESS_THREAD_COUNT),
            thread_cpu: Mutex::default(),
            open_files: late(&semconv::PROCESS_FILE_DESCRIPTOR_COUNT),
            uptime: late(&semconv::PROCESS_UPTIME),
            host_cpu: cpu(&semconv::SYSTEM_CPU_UTILIZATION),
            host_memory: Late::new(
                &semconv::SYSTEM_MEMORY_UTILIZATION,
                vec![(semconv::SYSTEM_MEMORY_STATE, MEMORY_USED)],
            ),
            host_memory_limit: late(&semconv::SYSTEM_MEMORY_LIMIT),
            webview: WebviewProcessType::ALL.map(|process_type| {
                let label = (semconv::WEBVIEW_PROCESS_TYPE, process_type.as_str());
                let late = |metric| Late::new(metric, vec![label]);
                WebviewHandles {
                    count: late(&semconv::WEBVIEW_PROCESS_COUNT),
                    cpu: Cpu::new(&semconv::WEBVIEW_PROCESS_CPU_UTILIZATION, &[label]),
                    memory: late(&semconv::WEBVIEW_PROCESS_MEMORY_USAGE),
                }
            }),
        }
    }
}

impl Handles {
    fn record_threads(&self, threads: &[ThreadCpu]) {
        for thread in threads {
            let known = self.thread_gauge(&thread.name);
            let gauge = known.unwrap_or_else(|| {
                let labels = [(semconv::THREAD_NAME, &*thread.name)];
                // Without the lock: the recorder may be code of the app. One thread samples, so no
                // other registers the same name meanwhile.
                let gauge = handles::gauge(&semconv::PROCESS_THREAD_CPU_UTILIZATION, &labels);
                let named = (thread.name.clone(), gauge.clone());
                self.thread_gauges().push(named);
                gauge
            });
            gauge.set(thread.cpu_utilization);
        }
    }

    fn thread_gauge(&self, name: &str) -> Option<Gauge> {
        let gauges = self.thread_gauges();
        let known = gauges.iter().find(|(known, _)| **known == *name);
        known.map(|(_, gauge)| gauge.clone())
    }

    fn thread_gauges(&self) -> MutexGuard<'_, Vec<(Box<str>, Gauge)>> {
        self.thread_cpu
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share of all cores: by mode, or as a whole where there are none.
#[derive(Debug)]
struct Cpu {
    whole: Late,
    modes: [Late; CpuMode::ALL.len()],
}

impl Cpu {
    fn new(metric: &'static Metric, labels: &[Label]) -> Self {
        Self {
            whole: Late::new(metric, labels.to_vec()),
            modes: CpuMode::ALL.map(|mode| {
                let mode = (semconv::CPU_MODE, mode.as_str());
                // One series for each mode, registered when the system first tells of that mode.
                Late::new(metric, [labels, &[mode]].concat())
            }),
        }
    }

    fn set(&self, total: Option<f64>, modes: &[(CpuMode, f64)]) {
        if modes.is_empty() {
            // Never both: a sum over the modes would count the whole once more.
            self.whole.set(total);
        }
        for (mode, share) in modes {
            self.modes[mode.index()].set(Some(*share));
        }
    }
}

type Label = (&'static str, &'static str);

/// A gauge that is registered with its first value, since one without shows a zero that nobody
/// measured.
#[derive(Debug)]
struct Late {
    metric: &'static Metric,
    labels: Vec<Label>,
    gauge: Instruments<Gauge>,
}

impl Late {
    const fn new(metric: &'static Metric, labels: Vec<Label>) -> Self {
        Self {
            metric,
            labels,
            gauge: Instruments::new(),
        }
    }

    fn set(&self, value: Option<f64>) {
        let Some(value) = value else { return };
        let register = || handles::gauge(self.metric, &self.labels);
        if let Some(gauge) = self.gauge.get(register) {
            gauge.set(value);
        }
    }
}

/// The value of `system.memory.state` for memory that is in use.
const MEMORY_USED: &str = "used";
