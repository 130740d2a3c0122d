//! Every name, unit, description, attribute and bucket bound that Spanwire emits; nothing else.
//!
//! `docs/reference/telemetry.md`, the dashboards and the alerts are checked against this file.
//! Names are dotted as OpenTelemetry writes them; Prometheus shows them by the standard
//! translation (dots become underscores, the unit and `_total` are appended).

/// How a metric is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// A sum that only grows.
    Counter,
    /// A sum that can also fall. Prometheus has no such kind, and shows a gauge.
    UpDownCounter,
    /// The value now, of which there is no sensible sum.
    Gauge,
    /// A distribution over fixed bucket bounds.
    Histogram,
}

impl Instrument {
    /// What OpenTelemetry's conventions call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "updowncounter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric that Spanwire emits.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Dotted OpenTelemetry name.
    pub name: &'static str,
    /// How it is measured.
    pub instrument: Instrument,
    /// UCUM unit, for example `s`, `By` or `{message}`.
    pub unit: &'static str,
    /// One sentence, shown as Prometheus HELP text.
    pub description: &'static str,
    /// The attributes that its series may carry.
    pub attributes: &'static [&'static str],
    /// Upper bucket bounds of a histogram in its unit; empty otherwise. A histogram without them
    /// is a sum and a count for Prometheus, and has exponential buckets over OTLP.
    pub bounds: &'static [f64],
}

impl Metric {
    /// What Prometheus calls it, by the standard translation: dots become underscores, the unit
    /// and a counter's `total` are appended.
    ///
    /// ```
    /// use spanwire::semconv::IPC_MESSAGES;
    ///
    /// assert_eq!(IPC_MESSAGES.prometheus_name(), "spanwire_ipc_messages_total");
    /// ```
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            "1" => "_ratio",
            _ => "",
        };
        let total = match self.instrument {
            Instrument::Counter => "_total",
            Instrument::UpDownCounter | Instrument::Gauge | Instrument::Histogram => "",
        };
        self.name.replace('.', "_") + unit + total
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $id:ident = $kind:ident $name:literal [$unit:literal] $description:literal
        ($($attribute:ident),*) $(in $bounds:ident)?;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $description)]
            pub const $id: Metric = Metric {
                name: $name,
                instrument: Instrument::$kind,
                unit: $unit,
                description: $description,
                attributes: &[$($attribute),*],
                bounds: metrics!(@bounds $($bounds)?),
            };
        )*
        /// Every metric.
        pub const METRICS: &[&Metric] = &[$(&$id),*];
    };
    (@bounds) => { &[] };
    (@bounds $bounds:ident) => { $bounds };
}

metrics! {
    IPC_MESSAGES = Counter "spanwire.ipc.messages" ["{message}"]
        "Messages between page and host that ended, by outcome."
        (WEBVIEW_NAME, IPC_DIRECTION, IPC_EVENT, OUTCOME, ERROR_TYPE);
    IPC_RETRIES = Counter "spanwire.ipc.retries" ["{retry}"]
        "Messages to the page that were sent once more." (WEBVIEW_NAME);
    IPC_SPANS_SKIPPED = Counter "spanwire.ipc.spans.skipped" ["{span}"]
        "Events that got no spans since there were too many in a second."
        (WEBVIEW_NAME, IPC_DIRECTION);
    IPC_TASK_SPANS_DROPPED = Counter "spanwire.ipc.task_spans.dropped" ["{span}"]
        "Spans of tasks that were forgotten, over a bound, before a call could link them." ();
    IPC_EVENTS_UNHEARD = Counter "spanwire.ipc.events.unheard" ["{event}"]
        "Events that the page ran though nothing there listened to them." (WEBVIEW_NAME, IPC_EVENT);
    IPC_DELIVERY_DURATION = Histogram "spanwire.ipc.delivery.duration" ["s"]
        "Time from a message entering the queue to the page's acknowledgement."
        (WEBVIEW_NAME, IPC_EVENT) in WIRE_BOUNDS_S;
    IPC_HANDLER_DURATION = Histogram "spanwire.ipc.handler.duration" ["s"]
        "Time that the host's handlers took for a message from the page."
        (WEBVIEW_NAME, IPC_EVENT, ERROR_TYPE) in WIRE_BOUNDS_S;
    IPC_TRANSIT_DURATION = Histogram "spanwire.ipc.transit.duration" ["s"]
        "Time that a batch was on its way: to the host's receipt, or until the page began to run it."
        (WEBVIEW_NAME, IPC_DIRECTION) in WIRE_BOUNDS_S;
    IPC_PROCESS_DURATION = Histogram "spanwire.ipc.process.duration" ["s"]
        "Time that the page was at work on an event or a reply." (WEBVIEW_NAME, IPC_EVENT)
        in WIRE_BOUNDS_S;
    IPC_CALL_DURATION = Histogram "spanwire.ipc.call.duration" ["s"]
        "Time from a call of the page until its promise was settled, or until the page gave it up."
        (WEBVIEW_NAME, IPC_EVENT, ERROR_TYPE);
    IPC_CALL_ACTIVE = UpDownCounter "spanwire.ipc.call.active" ["{call}"]
        "Calls of the page that are not settled." (WEBVIEW_NAME, IPC_EVENT);
    IPC_CALL_AGE = Gauge "spanwire.ipc.call.age" ["s"]
        "Time since the page made the oldest call that is not settled." (WEBVIEW_NAME, IPC_EVENT);
    IPC_IN_FLIGHT = UpDownCounter "spanwire.ipc.in_flight" ["{message}"]
        "Messages that were handed to the page and not acknowledged." (WEBVIEW_NAME);
    IPC_IN_FLIGHT_AGE = Gauge "spanwire.ipc.in_flight.age" ["s"]
        "Time since the oldest message that is not acknowledged was handed to the page."
        (WEBVIEW_NAME);
    IPC_MESSAGE_SIZE = Histogram "spanwire.ipc.message.size" ["By"]
        "Size of a message's payload on the wire." (WEBVIEW_NAME, IPC_DIRECTION) in SIZE_BOUNDS_BY;
    IPC_BATCH_SIZE = Histogram "spanwire.ipc.batch.size" ["{message}"]
        "Messages that crossed the wire together." (WEBVIEW_NAME, IPC_DIRECTION) in BATCH_BOUNDS;
    IPC_EVENT_SIZE = Histogram "spanwire.ipc.event.size" ["By"]
        "Size of a message's payload on the wire, by event."
        (WEBVIEW_NAME, IPC_DIRECTION, IPC_EVENT);
    IPC_EVENT_TRANSIT_DURATION = Histogram "spanwire.ipc.event.transit.duration" ["s"]
        "Time that a message was on its way, by event." (WEBVIEW_NAME, IPC_DIRECTION, IPC_EVENT);
    IPC_EVENT_WAIT_DURATION = Histogram "spanwire.ipc.event.wait.duration" ["s"]
        "Time that a message to the page waited until it was sent, by event."
        (WEBVIEW_NAME, IPC_EVENT);
    IPC_STARTUP_DURATION = Histogram "spanwire.ipc.startup.delivery.duration" ["s"]
        "Time from a message entering the queue before its page was loaded to the acknowledgement."
        (WEBVIEW_NAME);
    IPC_SLOW_THRESHOLD = Gauge "spanwire.ipc.slow.threshold" ["s"]
        "Time from which a message counts as slow." ();
    QUEUE_SIZE = UpDownCounter "spanwire.queue.size" ["{message}"]
        "Messages waiting in the queue." (QUEUE_NAME);
    QUEUE_CAPACITY = UpDownCounter "spanwire.queue.capacity" ["{message}"]
        "Messages that the queue can hold." (QUEUE_NAME);
    QUEUE_PEAK = Gauge "spanwire.queue.peak" ["{message}"]
        "Most messages that ever waited in the queue at once." (QUEUE_NAME);
    QUEUE_WAIT_DURATION = Histogram "spanwire.queue.wait.duration" ["s"]
        "Time that a message waited in the queue." (QUEUE_NAME) in WIRE_BOUNDS_S;
    QUEUE_MESSAGES = Counter "spanwire.queue.messages" ["{message}"]
        "Messages that left a queue of the app's own, by outcome."
        (QUEUE_NAME, OUTCOME, ERROR_TYPE);
    QUEUE_WORKER_COUNT = UpDownCounter "spanwire.queue.worker.count" ["{worker}"]
        "Workers of a queue of the app's own." (QUEUE_NAME, QUEUE_WORKER_STATE);
    OPERATION_DURATION = Histogram "spanwire.operation.duration" ["s"]
        "Time that a scoped operation took." (OPERATION_NAME, ERROR_TYPE) in OPERATION_BOUNDS_S;
    OPERATION_ACTIVE = UpDownCounter "spanwire.operation.active" ["{operation}"]
        "Scoped operations that are running." (OPERATION_NAME);
    OPERATION_SLOW = Counter "spanwire.operation.slow" ["{operation}"]
        "Scoped operations that took longer than their slow threshold." (OPERATION_NAME);
    OPERATION_SLOW_THRESHOLD = Gauge "spanwire.operation.slow.threshold" ["s"]
        "Time from which an operation counts as slow, unless it has a threshold of its own." ();
    ERROR_RATE_THRESHOLD = Gauge "spanwire.error_rate.threshold" ["1"]
        "Share of failures from which the app counts as failing." ();
    THRESHOLD_EXCEEDED = UpDownCounter "spanwire.threshold.exceeded" ["{name}"]
        "Operations and events of which too many failed or were slow of late." (THRESHOLD_KIND);
    PAGE_ERRORS = Counter "spanwire.page.errors" ["{error}"]
        "Errors that the page reported." (WEBVIEW_NAME, IPC_EVENT, ERROR_TYPE);
    PAGE_STATE = UpDownCounter "spanwire.page.state" ["{page}"]
        "1 for the state that the page is in, 0 for the others." (WEBVIEW_NAME, STATE);
    PAGE_LOADS = Counter "spanwire.page.loads" ["{load}"]
        "Pages that became ready, by why they were loaded." (WEBVIEW_NAME, PAGE_LOAD_TYPE);
    PAGE_AGE = Gauge "spanwire.page.age" ["s"]
        "Time since the page became ready." (WEBVIEW_NAME);
    PAGE_VISIBLE = UpDownCounter "spanwire.page.visible" ["{page}"]
        "1 while the page can be seen, 0 while it is hidden." (WEBVIEW_NAME);
    PAGE_INERT = UpDownCounter "spanwire.page.inert" ["{page}"]
        "1 for a page that answers and whose own script does nothing." (WEBVIEW_NAME);
    PAGE_LONG_TASK_DURATION = Histogram "spanwire.page.long_task.duration" ["s"]
        "Stretches of 50 ms or more in which the page's thread did one thing." (WEBVIEW_NAME);
    PAGE_SPANS = Counter "spanwire.page.spans" ["{span}"]
        "Spans that an OpenTelemetry SDK in the page sent, by outcome."
        (WEBVIEW_NAME, OUTCOME, ERROR_TYPE);
    MAIN_THREAD_DELAY = Histogram "spanwire.main_thread.delay" ["s"]
        "Time from waking the UI thread to its asking what there is for the page."
        () in MAIN_THREAD_BOUNDS_S;
    MAIN_THREAD_BLOCKED = Counter "spanwire.main_thread.blocked" ["{handler}"]
        "Handlers that kept the UI thread for a frame or longer." (WEBVIEW_NAME, IPC_EVENT);
    PAGE_WEB_VITAL_DURATION = Histogram "spanwire.page.web_vital.duration" ["s"]
        "Web vitals of the page that are durations." (WEB_VITAL_NAME, WEB_VITAL_RATING)
        in WEB_VITAL_BOUNDS_S;
    MEASUREMENT = Gauge "spanwire.measurement" ["{value}"]
        "The last value that the app or the page measured under that name."
        (MEASUREMENT_NAME, CATEGORY, MEASUREMENT_UNIT);
    STARTUP_DURATION = Gauge "spanwire.startup.duration" ["s"]
        "Time from the process's start until a phase of the app's start was reached." (STARTUP_PHASE);
    PROCESS_CPU_UTILIZATION = Gauge "process.cpu.utilization" ["1"]
        "Share of all cores that the process used since the last sample." (CPU_MODE);
    PROCESS_MEMORY_USAGE = UpDownCounter "process.memory.usage" ["By"]
        "Physical memory in use by the process." ();
    PROCESS_MEMORY_VIRTUAL = UpDownCounter "process.memory.virtual" ["By"]
        "Virtual memory committed to the process." ();
    ALLOCATOR_ALLOCATED = UpDownCounter "spanwire.allocator.allocated" ["By"]
        "Memory that the app has allocated and not freed." ();
    ALLOCATOR_RESIDENT = UpDownCounter "spanwire.allocator.resident" ["By"]
        "Physical memory that the app's allocator holds." ();
    ALLOCATOR_MAPPED = UpDownCounter "spanwire.allocator.mapped" ["By"]
        "Memory that the app's allocator has from the operating system." ();
    PROCESS_THREAD_COUNT = UpDownCounter "process.thread.count" ["{thread}"]
        "Threads of the process." ();
    PROCESS_THREAD_CPU_UTILIZATION = Gauge "spanwire.process.thread.cpu.utilization" ["1"]
        "Share of all cores that the process's threads of that name used since the last sample."
        (THREAD_NAME);
    PROCESS_FILE_DESCRIPTOR_COUNT = UpDownCounter "process.unix.file_descriptor.count" ["{file_descriptor}"]
        "File descriptors that the process has open." ();
    PROCESS_UPTIME = Gauge "process.uptime" ["s"]
        "Time since the process started." ();
    WEBVIEW_PROCESS_CPU_UTILIZATION = Gauge "spanwire.webview.process.cpu.utilization" ["1"]
        "Share of all cores that the webview's own processes used since the last sample."
        (WEBVIEW_PROCESS_TYPE, CPU_MODE);
    WEBVIEW_PROCESS_MEMORY_USAGE = UpDownCounter "spanwire.webview.process.memory.usage" ["By"]
        "Physical memory in use by the webview's own processes." (WEBVIEW_PROCESS_TYPE);
    WEBVIEW_PROCESS_COUNT = UpDownCounter "spanwire.webview.process.count" ["{process}"]
        "The webview's own processes." (WEBVIEW_PROCESS_TYPE);
    SYSTEM_CPU_UTILIZATION = Gauge "system.cpu.utilization" ["1"]
        "Share of all cores in use on the host." (CPU_MODE);
    SYSTEM_MEMORY_LIMIT = UpDownCounter "system.memory.limit" ["By"]
        "Physical memory that the host has." ();
    SYSTEM_MEMORY_UTILIZATION = Gauge "system.memory.utilization" ["1"]
        "Share of the host's memory in use." (SYSTEM_MEMORY_STATE);
    SAMPLING_TRACES = Counter "spanwire.sampling.traces" ["{trace}"]
        "Traces that were kept or dropped when it was known how they went."
        (OUTCOME, SAMPLING_REASON);
    SAMPLING_EARLY = Counter "spanwire.sampling.early" ["{trace}"]
        "Traces that were decided while a span of theirs was open." (SAMPLING_REASON);
    SAMPLING_SPANS_DROPPED = Counter "spanwire.sampling.spans.dropped" ["{span}"]
        "Recorded spans that were not passed on." (SAMPLING_REASON);
    SAMPLING_SPANS_UNJUDGED = Counter "spanwire.sampling.spans.unjudged" ["{span}"]
        "Spans that were not compared with what is usual, since too many names are." ();
    SAMPLING_TRACES_HELD = UpDownCounter "spanwire.sampling.traces.held" ["{trace}"]
        "Traces that are not decided yet." ();
    SAMPLING_SPANS_HELD = UpDownCounter "spanwire.sampling.spans.held" ["{span}"]
        "Ended spans of traces that are not decided yet." ();
    ENDPOINT_REFUSED = Counter "spanwire.endpoint.refused" ["{request}"]
        "Connections and requests that the Prometheus endpoint turned away." (ERROR_TYPE);
    TELEMETRY_PROBLEMS = Gauge "spanwire.telemetry.problems" ["{problem}"]
        "1 for what of telemetry is not in place, though it was asked for." (ERROR_TYPE);
    ENDPOINT_METRIC_CONFLICTS = UpDownCounter "spanwire.endpoint.metric.conflicts" ["{metric}"]
        "Metrics of the app that /metrics leaves out, wholly or in part, since another has the name." ();
    SDK_SPAN_EXPORTED = Counter "otel.sdk.exporter.span.exported" ["{span}"]
        "Spans whose export ended, well or with error.type."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME, SERVER_ADDRESS, SERVER_PORT, ERROR_TYPE);
    SDK_LOG_EXPORTED = Counter "otel.sdk.exporter.log.exported" ["{log_record}"]
        "Log records whose export ended, well or with error.type."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME, SERVER_ADDRESS, SERVER_PORT, ERROR_TYPE);
    SDK_METRIC_EXPORTED = Counter "otel.sdk.exporter.metric_data_point.exported" ["{data_point}"]
        "Metric data points whose export ended, well or with error.type."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME, SERVER_ADDRESS, SERVER_PORT, ERROR_TYPE);
    SDK_SPAN_PROCESSED = Counter "otel.sdk.processor.span.processed" ["{span}"]
        "Spans that the processor passed on, or dropped with error.type."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME, ERROR_TYPE);
    SDK_LOG_PROCESSED = Counter "otel.sdk.processor.log.processed" ["{log_record}"]
        "Log records that the processor passed on, or dropped with error.type."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME, ERROR_TYPE);
    SDK_SPAN_QUEUE_SIZE = UpDownCounter "otel.sdk.processor.span.queue.size" ["{span}"]
        "Spans that wait for their export."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME);
    SDK_SPAN_QUEUE_CAPACITY = UpDownCounter "otel.sdk.processor.span.queue.capacity" ["{span}"]
        "Spans that can wait for their export."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME);
    SDK_LOG_QUEUE_SIZE = UpDownCounter "otel.sdk.processor.log.queue.size" ["{log_record}"]
        "Log records that wait for their export."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME);
    SDK_LOG_QUEUE_CAPACITY = UpDownCounter "otel.sdk.processor.log.queue.capacity" ["{log_record}"]
        "Log records that can wait for their export."
        (OTEL_COMPONENT_TYPE, OTEL_COMPONENT_NAME);
    SPOOL_SIZE = UpDownCounter "spanwire.spool.size" ["By"]
        "What waits on disk for the collector to come back." ();
    SPOOL_ITEMS = Counter "spanwire.spool.items" ["{item}"]
        "Spans and log records that were put on disk, and how they left it."
        (OUTCOME, ERROR_TYPE);
    HISTORY_RECORDS = Counter "spanwire.history.records" ["{record}"]
        "Records for the history on the machine, by what became of them." (OUTCOME);
}

/// The type of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Text.
    String,
    /// A signed integer of 64 bits.
    Int,
    /// A floating-point number.
    Double,
    /// True or false.
    Boolean,
}

impl ValueType {
    /// What OpenTelemetry's conventions call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Double => "double",
            Self::Boolean => "boolean",
        }
    }
}

/// The version of Tauri that a Tauri app was built with, an attribute of the resource.
pub const TAURI_VERSION: &str = "spanwire.tauri.version";
/// How the Tauri plugin sees commands, an attribute of the resource: `seam`, which is every command,
/// or why it is not that: `untested`, `isolation`, `android`, `feature_off`, `turned_off`.
pub const TAURI_WAY: &str = "spanwire.tauri.way";

/// An attribute that Spanwire sets.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttributeInfo {
    /// Dotted name.
    pub name: &'static str,
    /// The type of its values, wherever it stands. Labels in Prometheus are texts all the same.
    pub value_type: ValueType,
    /// Every value that it can have; empty when there are others.
    pub values: &'static [&'static str],
    /// What it says.
    pub description: &'static str,
}

macro_rules! attributes {
    ($($id:ident = $name:literal $type:ident $([$($value:literal),*])?, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $id: &str = $name;)*
        /// Every attribute of a metric, a span or a log record that is not OpenTelemetry's resource.
        pub const ATTRIBUTES: &[&str] = &[$($id),*];
        /// The same, with what their values can be.
        pub const ATTRIBUTE_INFO: &[AttributeInfo] = &[$(AttributeInfo {
            name: $name,
            value_type: ValueType::$type,
            values: &[$($($value),*)?],
            description: $doc,
        }),*];
    };
}

attributes! {
    WEBVIEW_NAME = "spanwire.webview.name" String, "The name that the app gave to the webview.";
    IPC_DIRECTION = "spanwire.ipc.direction" String ["inbound", "outbound"], "`inbound` (page to host) or `outbound` (host to page).";
    IPC_EVENT = "spanwire.ipc.event" String,
        "The event's name; capped, see [`REGISTERED_NAMES_MAX`] and [`OTHER_NAMES_MAX`].";
    OUTCOME = "spanwire.outcome" String ["ok", "failed", "dropped", "kept", "spooled", "replayed", "written"], "`ok`, `failed` or `dropped`; of a trace `kept` or `dropped`; on disk `spooled`, `replayed` or `dropped`; in the history `written` or `dropped`.";
    ERROR_TYPE = "error.type" String, "Why it failed or was dropped; absent when it did not.";
    QUEUE_NAME = "spanwire.queue.name" String, "The name that the app gave to the queue.";
    QUEUE_WORKER_STATE = "spanwire.queue.worker.state" String ["busy", "idle"], "`busy` with a message or `idle`.";
    OPERATION_NAME = "spanwire.operation.name" String, "The name of a scoped operation; capped.";
    STATE = "spanwire.page.state" String ["loading", "ready", "unresponsive", "gone"], "`loading`, `ready`, `unresponsive` or `gone`.";
    PAGE_LOAD_TYPE = "spanwire.page.load.type" String ["first", "reload", "navigate", "back_forward", "recovery", "again"],
        "`first` in its webview, or why it was loaded anew; `again` where nothing says why.";
    WEB_VITAL_NAME = "browser.web_vital.name" String ["ttfb", "fcp", "lcp", "inp"], "`ttfb`, `fcp`, `lcp` or `inp`.";
    WEB_VITAL_RATING = "browser.web_vital.rating" String ["good", "needs_improvement", "poor"], "`good`, `needs_improvement` or `poor`.";
    MEASUREMENT_NAME = "spanwire.measurement.name" String,
        "The name that the app or the page gave to a measurement; capped with its category and unit.";
    CATEGORY = "spanwire.measurement.category" String, "What a measurement is grouped by; absent when not given.";
    MEASUREMENT_UNIT = "spanwire.measurement.unit" String, "A measurement's unit; absent when not given.";
    STARTUP_PHASE = "spanwire.startup.phase" String ["telemetry", "event_loop", "window", "webview", "navigation", "script", "dom_ready", "first_paint", "first_call"],
        "The phase of the app's start that was reached; on the trace's root the last one.";
    THRESHOLD_KIND = "spanwire.threshold.kind" String ["operation_error_rate", "operation_slow_rate", "event_error_rate"], "Which share is above its threshold.";
    WEBVIEW_PROCESS_TYPE = "spanwire.webview.process.type" String ["web", "network", "gpu", "other"], "`web`, `network`, `gpu` or `other`.";
    THREAD_NAME = "thread.name" String, "The name of threads of the process; capped.";
    CPU_MODE = "cpu.mode" String ["user", "nice", "system", "interrupt", "steal"],
        "What a processor did: `user` or `system`; of the host also `nice`, `interrupt` or `steal`. Linux only.";
    SYSTEM_MEMORY_STATE = "system.memory.state" String ["used"], "Always `used`.";
    OTEL_COMPONENT_TYPE = "otel.component.type" String ["batching_span_processor", "otlp_http_span_exporter", "batching_log_processor", "otlp_http_log_exporter", "otlp_http_metric_exporter"], "The part of the SDK that counts.";
    OTEL_COMPONENT_NAME = "otel.component.name" String, "Its type and `/0`.";
    SERVER_ADDRESS = "server.address" String, "The host of the collector that an exporter sends to.";
    SERVER_PORT = "server.port" Int, "Its port.";
    RPC_SYSTEM_NAME = "rpc.system.name" String ["spanwire"], "Always `spanwire`.";
    RPC_METHOD = "rpc.method" String, "The event's name, on spans of calls.";
    RPC_METHOD_ORIGINAL = "rpc.method_original" String,
        "The event's name as the page sent it, on its spans, where `rpc.method` is `_OTHER`.";
    MESSAGING_SYSTEM = "messaging.system" String ["spanwire"], "Always `spanwire`.";
    MESSAGING_DESTINATION_NAME = "messaging.destination.name" String, "The name of the queue that a message went through; capped.";
    MESSAGING_OPERATION_NAME = "messaging.operation.name" String ["send", "process"], "`send` or `process`.";
    MESSAGING_OPERATION_TYPE = "messaging.operation.type" String ["send", "process"], "The same.";
    EXCEPTION_TYPE = "exception.type" String, "The Rust type of an operation's error, on its log record.";
    EXCEPTION_MESSAGE = "exception.message" String, "The error and its sources, on its log record.";
    EXCEPTION_STACKTRACE = "exception.stacktrace" String, "A backtrace, on an error's log record, when enabled.";
    RETRIES = "spanwire.retries" Int, "How often a message was sent again, on its span.";
    WAIT_S = "spanwire.queue.wait" Double, "Seconds that a message waited in the queue, on its span.";
    BATCH_SIZE = "spanwire.batch.size" Int, "Messages that were sent together, on a message's span.";
    SLOW = "spanwire.slow" Boolean, "True on the span of an operation that was slow.";
    SAMPLING_REASON = "spanwire.sampling.reason" String ["error", "slow", "slower_than_usual", "startup", "rate", "traces_full", "spans_full", "hold_time", "shutdown", "over_rate", "repeated_error", "trace_full", "late"],
        "Why a trace or a span was kept or dropped, or decided early; on the root of a kept trace.";
    USUAL_DURATION_S = "spanwire.usual_duration" Double,
        "Seconds that spans of its name usually take, on one that took many times as long.";
    CODE_FILE_PATH = "code.file.path" String,
        "The file of the app that sent a message, on its span: as in its workspace, or within its crate.";
    CODE_LINE_NUMBER = "code.line.number" Int, "The line in it.";
    MESSAGE_SIZE_BY = "spanwire.message.size" Int, "Bytes of a message's payload, on its spans.";
    THREAD = "spanwire.thread" String ["main", "worker"],
        "`main` or `worker`: where a handler ran, on its span; `main` is the thread that asks for scripts.";
    MAIN_THREAD_BLOCKED_S = "spanwire.main_thread.blocked" Double,
        "Seconds that a handler kept the UI thread, on its span, when it was a frame or longer.";
    CPU_TIME_S = "spanwire.cpu_time" Double,
        "Seconds that the thread of a handler or an operation computed, on its span, where the app asks for it.";
    MAIN_THREAD_DELAY_S = "spanwire.main_thread.delay" Double,
        "Seconds of a message's wait in which the UI thread was woken and did not come, on its span.";
    PAGE_LOADING = "spanwire.page_loading" Boolean,
        "True on the span of a message that was sent before its page was loaded.";
    DURATION_S = "spanwire.duration" Double, "Seconds that a slow operation took, on its log record.";
    SLOW_THRESHOLD_S = "spanwire.slow_threshold" Double,
        "Seconds from which an operation counts as slow, on a slow one's log record.";
    CONTEXT = "spanwire.context" String,
        "The context fields that the app gave to an operation, on its log records.";
    CONTEXT_LEFT_OUT = "spanwire.context_left_out" Int,
        "Context fields beyond the limit, on an operation's span.";
}

/// The value of `rpc.system.name` and `messaging.system`.
pub const RPC_SYSTEM: &str = "spanwire";
/// The instrumentation scope of our spans and metrics.
pub const SCOPE: &str = "spanwire";
/// The value of a capped attribute once its names are used up.
pub const OTHER: &str = "_OTHER";
/// Names registered by the app that become attribute values: at most so many for each attribute.
pub const REGISTERED_NAMES_MAX: usize = 200;
/// Names not registered by the app that become attribute values: at most so many for each attribute.
pub const OTHER_NAMES_MAX: usize = 50;

/// The `error.type` of a connection that the Prometheus endpoint has no room for.
pub const CONNECTION_LIMIT: &str = "connection_limit";
/// The `error.type` of a request whose `Host` is not on the Prometheus endpoint's allow-list.
pub const FORBIDDEN_HOST: &str = "forbidden_host";
/// `error.type` of [`TELEMETRY_PROBLEMS`]: another recorder has the app's metrics.
pub const RECORDER_TAKEN: &str = "recorder_taken";
/// `error.type` of [`TELEMETRY_PROBLEMS`]: the process's subscriber has no layer of Spanwire's.
pub const SUBSCRIBER_TAKEN: &str = "subscriber_taken";
/// `error.type` of [`TELEMETRY_PROBLEMS`]: a filter of the whole subscriber turns down our spans.
pub const SPANS_FILTERED: &str = "spans_filtered";

/// A span that Spanwire emits.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpanInfo {
    /// Its name, with `{event}`, `{trace}`, `{phase}`, `{queue}` or `{operation}` for the part that varies.
    pub name: &'static str,
    /// OpenTelemetry's span kind.
    pub kind: &'static str,
    /// What it measures.
    pub description: &'static str,
    /// The attributes that it may carry, beside those that the app gives.
    pub attributes: &'static [&'static str],
}

/// Every span.
pub const SPANS: &[SpanInfo] = &[
    SpanInfo {
        name: "{event}",
        kind: "client",
        description: "A call of the page, from `invoke` until its promise is settled.",
        attributes: &[
            RPC_SYSTEM_NAME,
            RPC_METHOD,
            RPC_METHOD_ORIGINAL,
            WEBVIEW_NAME,
            MESSAGE_SIZE_BY,
            BATCH_SIZE,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "{event}",
        kind: "server",
        description: "The host's handlers at work on a call from the page.",
        attributes: &[
            RPC_SYSTEM_NAME,
            RPC_METHOD,
            RPC_METHOD_ORIGINAL,
            WEBVIEW_NAME,
            MESSAGE_SIZE_BY,
            THREAD,
            MAIN_THREAD_BLOCKED_S,
            CPU_TIME_S,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "{event}",
        kind: "consumer",
        description: "The host's listeners at work on an event from the page.",
        attributes: &[
            RPC_SYSTEM_NAME,
            RPC_METHOD,
            RPC_METHOD_ORIGINAL,
            WEBVIEW_NAME,
            MESSAGE_SIZE_BY,
            THREAD,
            MAIN_THREAD_BLOCKED_S,
            CPU_TIME_S,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "send {event}",
        kind: "producer",
        description: "A message to the page, from `emit` to its acknowledgement; or an event from the page, from `emit` to its receipt.",
        attributes: &[
            RPC_SYSTEM_NAME,
            RPC_METHOD,
            RPC_METHOD_ORIGINAL,
            WEBVIEW_NAME,
            MESSAGE_SIZE_BY,
            CODE_FILE_PATH,
            CODE_LINE_NUMBER,
            WAIT_S,
            MAIN_THREAD_DELAY_S,
            BATCH_SIZE,
            RETRIES,
            PAGE_LOADING,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "reply {event}",
        kind: "internal",
        description: "A call's reply, from the handler's end to the page's acknowledgement.",
        attributes: &[
            RPC_SYSTEM_NAME,
            RPC_METHOD,
            WEBVIEW_NAME,
            MESSAGE_SIZE_BY,
            WAIT_S,
            MAIN_THREAD_DELAY_S,
            BATCH_SIZE,
            RETRIES,
            PAGE_LOADING,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "process {event}",
        kind: "consumer",
        description: "The page at work on an event or a reply.",
        attributes: &[
            RPC_SYSTEM_NAME,
            RPC_METHOD,
            WEBVIEW_NAME,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "{trace}",
        kind: "internal",
        description: "What the page does within `spanwire.trace`.",
        attributes: &[WEBVIEW_NAME, ERROR_TYPE, USUAL_DURATION_S, SAMPLING_REASON],
    },
    SpanInfo {
        name: "startup",
        kind: "internal",
        description: "The app's start, from the process's start to the last phase that was reached.",
        attributes: &[STARTUP_PHASE, SAMPLING_REASON],
    },
    SpanInfo {
        name: "startup {phase}",
        kind: "internal",
        description: "A phase of the app's start, from the one before it until it was reached.",
        attributes: &[STARTUP_PHASE],
    },
    SpanInfo {
        name: "{operation}",
        kind: "internal",
        description: "A scoped operation.",
        attributes: &[
            OPERATION_NAME,
            SLOW,
            CPU_TIME_S,
            CONTEXT_LEFT_OUT,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "{operation}",
        kind: "consumer",
        description: "A scoped operation that took a message from a queue of the app's own.",
        attributes: &[
            OPERATION_NAME,
            MESSAGING_SYSTEM,
            MESSAGING_DESTINATION_NAME,
            MESSAGING_OPERATION_NAME,
            MESSAGING_OPERATION_TYPE,
            SLOW,
            CPU_TIME_S,
            CONTEXT_LEFT_OUT,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
    SpanInfo {
        name: "send {queue}",
        kind: "producer",
        description: "A message in a queue of the app's own, from its push until an operation took it.",
        attributes: &[
            MESSAGING_SYSTEM,
            MESSAGING_DESTINATION_NAME,
            MESSAGING_OPERATION_NAME,
            MESSAGING_OPERATION_TYPE,
            ERROR_TYPE,
            USUAL_DURATION_S,
            SAMPLING_REASON,
        ],
    },
];

/// A log record that Spanwire emits, by its event name.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventInfo {
    /// Its event name.
    pub name: &'static str,
    /// OpenTelemetry's severity.
    pub severity: &'static str,
    /// What happened.
    pub description: &'static str,
    /// The attributes that it may carry.
    pub attributes: &'static [&'static str],
}

macro_rules! events {
    ($($id:ident = $name:literal $severity:literal $description:literal ($($attribute:ident),*);)*) => {
        $(#[doc = concat!("`", $name, "`: ", $description)] pub const $id: &str = $name;)*
        /// Every event whose log record Spanwire emits.
        pub const EVENTS: &[EventInfo] = &[$(EventInfo {
            name: $name,
            severity: $severity,
            description: $description,
            attributes: &[$($attribute),*],
        }),*];
    };
}

events! {
    EVENT_HANDLER_FAILED = "spanwire.ipc.handler.failed" "error"
        "A handler returned an error." (EXCEPTION_TYPE, EXCEPTION_MESSAGE);
    EVENT_HANDLER_PANICKED = "spanwire.ipc.handler.panicked" "error"
        "A handler panicked." (EXCEPTION_TYPE, EXCEPTION_MESSAGE);
    EVENT_OPERATION_FAILED = "spanwire.operation.failed" "error"
        "An operation ended with an error or a panic."
        (OPERATION_NAME, ERROR_TYPE, EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, CONTEXT);
    EVENT_OPERATION_CANCELLED = "spanwire.operation.cancelled" "warn"
        "An operation's future was dropped." (OPERATION_NAME, ERROR_TYPE, CONTEXT);
    EVENT_OPERATION_SLOW = "spanwire.operation.slow" "warn"
        "An operation took its threshold or longer."
        (OPERATION_NAME, DURATION_S, SLOW_THRESHOLD_S, CONTEXT);
    EVENT_THRESHOLD_CROSSED = "spanwire.threshold.crossed" "warn"
        "Too many failed or were slow of late." (THRESHOLD_KIND, OPERATION_NAME, IPC_EVENT);
    EVENT_THRESHOLD_RECOVERED = "spanwire.threshold.recovered" "info"
        "It stays below its threshold again." (THRESHOLD_KIND, OPERATION_NAME, IPC_EVENT);
    EVENT_PAGE_CRASHED = "spanwire.page.crashed" "error"
        "The page's process ended by itself. Linux only." (WEBVIEW_NAME, ERROR_TYPE);
    EVENT_PAGE_UNSUPPORTED_ADDRESS = "spanwire.page.unsupported_address" "error"
        "A page went where it cannot send." (WEBVIEW_NAME, ERROR_TYPE);
    EVENT_PAGE_FORBIDDEN_ORIGIN = "spanwire.page.forbidden_origin" "warn"
        "There is something for a page whose origin is not allowed." (WEBVIEW_NAME);
    EVENT_DEV_SERVER_UNREACHABLE = "spanwire.dev_server.unreachable" "warn"
        "The server that has the page in development does not answer." ();
    EVENT_CONFIGURATION_WARNING = "spanwire.configuration.warning" "warn"
        "A setting of telemetry cannot be used." ();
    EVENT_HISTORY_FAILED = "spanwire.history.failed" "warn"
        "The history on the machine cannot be written, or was damaged." (EXCEPTION_MESSAGE);
    EVENT_SYSTEM_NOT_SAMPLED = "spanwire.system.not_sampled" "warn"
        "The process and the host cannot be looked at." (EXCEPTION_MESSAGE);
    EVENT_ENDPOINT_OFF = "spanwire.endpoint.off" "warn"
        "The Prometheus endpoint cannot run." ();
    EVENT_ENDPOINT_METRIC_CONFLICT = "spanwire.endpoint.metric_conflict" "warn"
        "A metric of the app is left out of /metrics, since another has the name." ();
}

/// Bounds for IPC and queues, in seconds.
pub const WIRE_BOUNDS_S: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];
/// Bounds for scoped operations, in seconds.
pub const OPERATION_BOUNDS_S: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Bounds for the UI thread's delay, in seconds: from a quick wake-up to a window that hangs.
pub const MAIN_THREAD_BOUNDS_S: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.016, 0.033, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds for web vitals, in seconds: those that rate them (0.2, 0.5, 0.8, 1.8, 2.5, 3.0, 4.0) and
/// more.
pub const WEB_VITAL_BOUNDS_S: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.0, 1.8, 2.5, 3.0, 4.0, 6.0, 10.0,
];
/// Bounds for sizes, in bytes.
pub const SIZE_BOUNDS_BY: &[f64] = &[
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    10_485_760.0,
];
/// Bounds for batches, in messages.
pub const BATCH_BOUNDS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0,
];
/// Bounds for histograms of the app's own, whose unit can be anything.
pub const APP_BOUNDS: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0,
    100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0,
];

/// The metric of that dotted name.
#[must_use]
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name).copied()
}

mod error_types;
#[cfg(test)]
mod tests;

pub use error_types::{ErrorType, ExportErrorType, PageSpanErrorType, SpoolErrorType};
