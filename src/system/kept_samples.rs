//! What of a sample is handed over to be kept.

use crate::instrument::record_sink::SampleValue;
use crate::semconv::{self, Metric};
use crate::system::SystemSample;

/// What the sample knows, by the names of the metrics; modes of processors are summed up.
pub(super) fn kept_samples(sample: &SystemSample) -> Vec<SampleValue> {
    let mut values = Vec::with_capacity(16);
    let mut add = |metric: &'static Metric, part: &'static str, value: Option<f64>| {
        values.extend(value.map(|value| SampleValue {
            name: metric.name,
            part,
            value,
        }));
    };
    let count = |count: Option<u64>| count.map(|count| count as f64);
    let bytes = |bytes: u64| Some(bytes as f64);
    add(
        &semconv::PROCESS_CPU_UTILIZATION,
        "",
        sample.cpu_utilization,
    );
    add(
        &semconv::PROCESS_MEMORY_USAGE,
        "",
        bytes(sample.memory_bytes),
    );
    add(
        &semconv::PROCESS_MEMORY_VIRTUAL,
        "",
        bytes(sample.virtual_bytes),
    );
    let allocator = &sample.allocator;
    for (metric, bytes) in [
        (&semconv::ALLOCATOR_ALLOCATED, allocator.allocated_bytes),
        (&semconv::ALLOCATOR_RESIDENT, allocator.resident_bytes),
        (&semconv::ALLOCATOR_MAPPED, allocator.mapped_bytes),
    ] {
        add(metric, "", count(bytes));
    }
    add(&semconv::PROCESS_THREAD_COUNT, "", count(sample.threads));
    add(
        &semconv::PROCESS_FILE_DESCRIPTOR_COUNT,
        "",
        count(sample.open_files),
    );
    let host_cpu = sample.host_cpu_utilization;
    add(&semconv::SYSTEM_CPU_UTILIZATION, "", host_cpu);
    let host_memory = sample.host_memory_utilization;
    add(&semconv::SYSTEM_MEMORY_UTILIZATION, "", host_memory);
    for sum in &sample.webview_processes {
        let part = sum.process_type.as_str();
        add(
            &semconv::WEBVIEW_PROCESS_COUNT,
            part,
            Some(sum.count as f64),
        );
        let cpu = sum.cpu_utilization;
        add(&semconv::WEBVIEW_PROCESS_CPU_UTILIZATION, part, cpu);
        let memory = bytes(sum.memory_bytes);
        add(&semconv::WEBVIEW_PROCESS_MEMORY_USAGE, part, memory);
    }
    values
}
