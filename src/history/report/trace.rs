//! `trace.json`: Chrome's trace event format, as Perfetto and `chrome://tracing` open it.
//!
//! Each event is an async pair (`b`/`e`) with its stages within it. What ran on a thread is a slice
//! (`X`) on that thread too, and flows (`s`/`t`/`f`) lead from the page to the app and back. Times
//! are microseconds after the report's begin.
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::facts::{Event, Facts, HANDLER, QUEUE_WAIT, STAGES};

pub(super) fn write(facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    let mut trace = Trace::new(facts);
    for event in facts.events() {
        trace.add(event);
    }
    trace.add_waiting();
    trace.add_samples();
    trace.finish(out)
}

struct Trace<'a> {
    facts: &'a Facts,
    /// By their time, in nanoseconds after the begin.
    events: Vec<(i64, Value)>,
    slices: Vec<Slice>,
}

/// What a thread did, and the flow that goes through it.
struct Slice {
    process: usize,
    track: String,
    start: i64,
    duration: i64,
    name: String,
    args: Value,
    flow: Option<(&'static str, i64)>,
}

impl<'a> Trace<'a> {
    fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            events: Vec::new(),
            slices: Vec::new(),
        }
    }

    /// The number of the run in the trace; 0 for one that is not known any more.
    fn process(&self, session: i64) -> usize {
        let place = self.facts.sessions.iter().position(|is| is.id == session);
        place.map_or(0, |place| place + 1)
    }

    fn add(&mut self, event: &Event) {
        let process = self.process(event.session);
        // Relative to the report's begin: microseconds since 1970 would lose most of their fraction
        // in a JSON number.
        let start = event.start - self.facts.from;
        let end = event.end() - self.facts.from;
        let args = args(event);
        match event.series.kind.as_str() {
            kind @ ("page_error" | "page_load") => {
                let name = format!("{} {}", kind.replace('_', " "), event.series.name);
                // `i` is an instant, and `p` draws it across the whole process.
                let mut value = json!({"name": name, "cat": kind, "ph": "i", "s": "p"});
                place(&mut value, process, 0, start);
                set(&mut value, "args", args);
                self.events.push((start, value));
            }
            "startup" => self.slices.push(Slice {
                process,
                track: "startup".to_owned(),
                start,
                duration: end - start,
                name: event.series.name.clone(),
                args,
                flow: None,
            }),
            "operation" => self.slices.push(Slice {
                process,
                track: host_track(event),
                start,
                duration: end - start,
                name: event.series.name.clone(),
                args,
                flow: None,
            }),
            "current_operation" => self.slices.push(Slice {
                process,
                track: "current operation".to_owned(),
                start,
                duration: end - start,
                name: event.series.name.clone(),
                args,
                flow: None,
            }),
            _ => {
                self.add_pair(event, process, start, end, args);
                self.add_flow(event, process, start, end);
            }
        }
    }

    /// The event and its stages, one within the other by their id.
    fn add_pair(&mut self, event: &Event, process: usize, start: i64, end: i64, args: Value) {
        let kind = &event.series.kind;
        let mut half = |phase: &str, name: &str, at: i64, args: Option<Value>| {
            // The viewers join async events by category and id, so stages need the id of their
            // event.
            let id = format!("{:#x}", event.id);
            let mut value = json!({"name": name, "cat": kind, "ph": phase, "id": id});
            place(&mut value, process, 0, at);
            if let Some(args) = args {
                set(&mut value, "args", args);
            }
            self.events.push((at, value));
        };
        half("b", &event.series.name, start, Some(args));
        for (stage, after, took) in event.laid_out() {
            let name = STAGES.get(stage).copied().unwrap_or_default();
            let begin = start + after as i64;
            half("b", name, begin, None);
            half("e", name, begin + took as i64, None);
        }
        half("e", &event.series.name, end, None);
    }

    /// The way of the message: from whom to whom, and back where it is a call.
    fn add_flow(&mut self, event: &Event, process: usize, start: i64, end: i64) {
        let name = &event.series.name;
        let page = format!("page {}", event.series.webview);
        let worked = event.span_of(HANDLER).map(|(from, to)| {
            let from = from - self.facts.from;
            (from, to - self.facts.from - from)
        });
        let mut slice = |track: &str, verb: &str, start, duration, phase| {
            self.slices.push(Slice {
                process,
                track: track.to_owned(),
                start,
                duration,
                name: format!("{name}: {verb}"),
                args: json!({"trace_id": event.trace_id}),
                flow: Some((phase, event.id)),
            });
        };
        let host = host_track(event);
        // The answer is a mark that ends with the call.
        let last = (end - MARK).max(start);
        match (event.series.kind.as_str(), worked) {
            ("call", Some((at, took))) => {
                slice(&page, "call", start, MARK, "s");
                slice(&host, "handler", at, took, "t");
                slice(&page, "answer", last.max(at), MARK, "f");
            }
            ("event_in", Some((at, took))) => {
                slice(&page, "emit", start, MARK, "s");
                slice(&host, "handler", at, took, "f");
            }
            ("event_out" | "reply", Some((at, took))) => {
                slice(&host, "send", start, MARK, "s");
                slice(&page, "listeners", at, took, "f");
            }
            // Without a handler's time there is nothing to lead an arrow to.
            _ => {}
        }
    }

    /// How many messages wait for the UI thread, of the neighbours that were read.
    fn add_waiting(&mut self) {
        // In the order of processes, and of times within each.
        let mut steps: BTreeMap<(usize, i64), i64> = BTreeMap::new();
        for event in self.facts.events() {
            if let Some((from, to)) = event.span_of(QUEUE_WAIT) {
                let process = self.process(event.session);
                *steps.entry((process, from - self.facts.from)).or_default() += 1;
                *steps.entry((process, to - self.facts.from)).or_default() -= 1;
            }
        }
        let mut waiting = (0, 0);
        for ((process, at), change) in steps {
            // The count begins at zero for the next process.
            waiting = match waiting.0 == process {
                true => (process, waiting.1 + change),
                false => (process, change),
            };
            let values = json!({"messages": waiting.1});
            self.count("queue: messages that wait", process, at, values);
        }
    }

    fn add_samples(&mut self) {
        for samples in &self.facts.samples {
            // The format has no units for counters, so the name has one.
            let (unit, factor) = match samples.name.as_str() {
                name if name.contains("memory.usage") => ("MiB", 1.0 / 1_048_576.0),
                name if name.contains("memory.virtual") => ("MiB", 1.0 / 1_048_576.0),
                name if name.contains("utilization") => ("%", 100.0),
                _ => ("1", 1.0),
            };
            let name = match samples.part.as_str() {
                "" => format!("{} ({unit})", samples.name),
                part => format!("{} {part} ({unit})", samples.name),
            };
            for (at, session, value) in &samples.points {
                let process = self.process(*session);
                let values = json!({ unit: value * factor });
                self.count(&name, process, at - self.facts.from, values);
            }
        }
    }

    fn count(&mut self, name: &str, process: usize, at: i64, values: Value) {
        let mut value = json!({"name": name, "ph": "C"});
        place(&mut value, process, 0, at);
        set(&mut value, "args", values);
        self.events.push((at, value));
    }

    /// Lays the slices on threads so that none overlaps another, and writes all by time.
    fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut threads = Threads::default();
        self.slices.sort_by_key(|slice| slice.start);
        for slice in std::mem::take(&mut self.slices) {
            // A slice of no length would be invisible, and a flow needs a slice to bind to.
            let duration = slice.duration.max(MARK);
            let end = slice.start + duration;
            let thread = threads.free(slice.process, &slice.track, slice.start, end);
            let mut value = json!({"name": slice.name, "cat": "thread", "ph": "X"});
            place(&mut value, slice.process, thread, slice.start);
            set(&mut value, "dur", micros(duration));
            set(&mut value, "args", slice.args);
            self.events.push((slice.start, value));
            if let Some((phase, id)) = slice.flow {
                let id = format!("{id:#x}");
                let mut value = json!({"name": "message", "cat": "flow", "ph": phase, "id": id});
                place(&mut value, slice.process, thread, slice.start);
                // `"bp": "e"` binds the end of a flow to the slice around it. The default is the
                // next slice on that thread.
                if phase == "f" {
                    set(&mut value, "bp", "e".into());
                }
                self.events.push((slice.start, value));
            }
        }
        // Equal times stay in the order in which they were added: a stage ends before the next.
        self.events.sort_by_key(|(at, _)| *at);
        let about = json!({"begin": crate::history::time::moment(self.facts.from), "version": env!("CARGO_PKG_VERSION")});
        write!(
            out,
            "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":["
        )?;
        // One event at a time: the whole as one JSON value would be in memory twice.
        let mut separator = "\n";
        let named = threads.names(self.facts);
        for value in named
            .iter()
            .chain(self.events.iter().map(|(_, value)| value))
        {
            write!(out, "{separator}{value}")?;
            separator = ",\n";
        }
        out.write_all(b"\n]}\n")
    }
}

/// The tracks of each process; what overlaps goes to another of the same name.
#[derive(Default)]
struct Threads {
    /// By process and name: each thread's number and the time from which it is free.
    lanes: BTreeMap<(usize, String), Vec<(usize, i64)>>,
    count: usize,
}

impl Threads {
    fn free(&mut self, process: usize, track: &str, start: i64, end: i64) -> usize {
        let lanes = self.lanes.entry((process, track.to_owned())).or_default();
        // The format allows slices of one thread to nest but not to overlap.
        if let Some(lane) = lanes.iter_mut().find(|(_, free)| *free <= start) {
            lane.1 = end;
            return lane.0;
        }
        self.count += 1;
        lanes.push((self.count, end));
        self.count
    }

    fn names(&self, facts: &Facts) -> Vec<Value> {
        let mut names = Vec::new();
        let mut name = |kind: &str, process: usize, thread: usize, name: String| {
            let mut value = json!({"name": kind, "ph": "M"});
            place(&mut value, process, thread, 0);
            set(&mut value, "args", json!({ "name": name }));
            names.push(value);
        };
        name(
            "process_name",
            0,
            0,
            "a run that is not in the file".to_owned(),
        );
        for (place, session) in facts.sessions.iter().enumerate() {
            let version = session.version.as_deref().unwrap_or_default();
            let text = format!(
                "{} {version} (process {})",
                session.service, session.process_id
            );
            name("process_name", place + 1, 0, text);
        }
        for ((process, track), lanes) in &self.lanes {
            for (thread, _) in lanes {
                name("thread_name", *process, *thread, track.clone());
            }
        }
        names
    }
}

fn host_track(event: &Event) -> String {
    // A call's handler may have run on another thread than the one that kept its record.
    let thread = match event.series.kind.as_str() {
        "operation" | "event_in" => event.thread.as_deref(),
        _ => None,
    };
    match thread {
        Some(thread) => format!("thread {thread}"),
        None => "app".to_owned(),
    }
}

fn args(event: &Event) -> Value {
    let mut args = Map::new();
    args.insert("outcome".to_owned(), event.outcome.as_str().into());
    let texts = [
        (
            "webview",
            Some(event.series.webview.as_str()).filter(|is| !is.is_empty()),
        ),
        ("error_type", event.error_type.as_deref()),
        ("slow", event.slow.as_deref()),
        ("trace_id", event.trace_id.as_deref()),
        ("context", event.context.as_deref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            args.insert(name.to_owned(), text.into());
        }
    }
    if let Some(size) = event.size {
        args.insert("size_bytes".to_owned(), size.into());
    }
    // A sampled record stands for others that are not drawn.
    if event.weight > 1.0 {
        args.insert("stands_for".to_owned(), event.weight.into());
    }
    Value::Object(args)
}

fn place(value: &mut Value, process: usize, thread: usize, at: i64) {
    set(value, "pid", process.into());
    set(value, "tid", thread.into());
    set(value, "ts", micros(at));
}

fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), to);
    }
}

fn micros(nanos: i64) -> Value {
    Value::from(nanos as f64 / 1e3)
}

/// How long something is drawn that has no length: a microsecond.
const MARK: i64 = 1_000;
