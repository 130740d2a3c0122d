//! Looks at the system.

use std::collections::HashMap;
use std::time::Duration;

use sysinfo::{MemoryRefreshKind, Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::clock::{self, Stamp};
use crate::instrument::handles;
use crate::system::children::{Child, discover};
use crate::system::{SystemSample, WebviewProcessType, WebviewProcesses};

/// Looks at the process, its webview's processes and the host when asked.
///
/// A look takes well under a millisecond, except when it looks for new processes of the webview:
/// that takes a few, and is done at the first look and then after 1, 2, 4, 8, 16 and each further
/// 30 seconds, beginning anew when the page of an [`Ipc`](crate::Ipc) is ready. Found are descendants of this process whose names tell that they are WebKit's or
/// WebView2's. On macOS WebKit's processes are not descendants, so none is found.
#[derive(Debug)]
pub struct SystemProbe {
    system: System,
    pid: Pid,
    children: Vec<Child>,
    pids: Vec<Pid>,
    discovery: Discovery,
    /// The pages that had come at the last look.
    pages: u64,
    /// CPU time of each process at the last look.
    cpu_time: HashMap<Pid, Duration>,
    looked_at: Stamp,
    started: Option<(Duration, Stamp)>,
    seen: [bool; WebviewProcessType::ALL.len()],
}

/// Why nothing can be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The operating system is not supported.
    #[error("this operating system does not tell about its processes")]
    Unsupported(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The process cannot see itself, for example because `/proc` is not mounted.
    #[error("the process cannot see itself")]
    Hidden,
}

impl SystemProbe {
    /// Makes a probe, without a look yet.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Unsupported`].
    pub fn new() -> Result<Self, ProbeError> {
        let unsupported = |error: sysinfo::Error| ProbeError::Unsupported(Box::new(error));
        let pid = sysinfo::get_current_pid().map_err(unsupported)?;
        Ok(Self {
            system: System::new().map_err(unsupported)?,
            pid,
            children: Vec::new(),
            pids: vec![pid],
            discovery: Discovery::default(),
            pages: handles::page_epoch(),
            cpu_time: HashMap::new(),
            looked_at: Stamp::NONE,
            started: None,
            seen: [false; WebviewProcessType::ALL.len()],
        })
    }

    /// Looks for new processes of the webview at the next look, for example because a page loads.
    pub fn rediscover(&mut self) {
        self.discovery = Discovery::default();
    }

    /// Looks once.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Hidden`].
    pub fn sample_once(&mut self) -> Result<SystemSample, ProbeError> {
        let now = clock::now();
        let pages = handles::page_epoch();
        if std::mem::replace(&mut self.pages, pages) != pages {
            self.discovery.page_came();
        }
        if self.discovery.is_due(now) {
            self.children = discover(self.pid);
            self.pids.truncate(1);
            self.pids
                .extend(self.children.iter().map(|child| child.pid));
        }
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&self.pids),
            true,
            ProcessRefreshKind::nothing()
                .without_tasks()
                .with_cpu()
                .with_memory(),
        );
        self.system.refresh_cpu_usage();
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        self.forget_the_dead();

        let elapsed = now.since(self.looked_at);
        let utilization = Utilization {
            elapsed,
            cores: self.system.cpus().len().max(1),
        };
        let webview_processes = self.webview_processes(&utilization);
        let own = self.system.process(self.pid).ok_or(ProbeError::Hidden)?;
        let (age, at) = *self
            .started
            .get_or_insert((Duration::from_secs(own.run_time()), now));
        let sample = SystemSample {
            cpu_utilization: utilization.of(own, &self.cpu_time),
            memory_bytes: own.memory(),
            virtual_bytes: own.virtual_memory(),
            threads: threads(),
            open_files: open_files(own),
            uptime: age + now.since(at),
            host_cpu_utilization: (!elapsed.is_zero())
                .then(|| ratio(self.system.global_cpu_usage().into(), 100.0))
                .flatten(),
            host_memory_utilization: ratio(
                self.system.used_memory() as f64,
                self.system.total_memory() as f64,
            ),
            // A host without memory is one that does not tell.
            host_memory_bytes: Some(self.system.total_memory()).filter(|bytes| *bytes > 0),
            webview_processes,
        };
        self.looked_at = now;
        self.cpu_time.clear();
        let processes = self.system.processes().values();
        self.cpu_time
            .extend(processes.map(|process| (process.pid(), cpu_time(process))));
        Ok(sample)
    }

    fn forget_the_dead(&mut self) {
        let system = &self.system;
        let before = self.children.len();
        self.children
            .retain(|child| system.process(child.pid).is_some_and(|p| child.is(p)));
        if self.children.len() < before {
            self.pids.truncate(1);
            self.pids
                .extend(self.children.iter().map(|child| child.pid));
            // What took the place of the one that crashed is found soon.
            self.discovery = Discovery::default();
        }
    }

    fn webview_processes(&mut self, utilization: &Utilization) -> Vec<WebviewProcesses> {
        let mut types = WebviewProcessType::ALL.map(|process_type| WebviewProcesses {
            process_type,
            count: 0,
            cpu_utilization: None,
            memory_bytes: 0,
        });
        for child in &self.children {
            let Some(process) = self.system.process(child.pid) else {
                continue;
            };
            self.seen[child.process_type.index()] = true;
            let sum = &mut types[child.process_type.index()];
            sum.count += 1;
            sum.memory_bytes += process.memory();
            if let Some(used) = utilization.of(process, &self.cpu_time) {
                *sum.cpu_utilization.get_or_insert(0.0) += used;
            }
        }
        types
            .into_iter()
            .filter(|sum| self.seen[sum.process_type.index()])
            .map(|mut sum| {
                if sum.count == 0 {
                    sum.cpu_utilization = Some(0.0);
                }
                sum
            })
            .collect()
    }
}

/// When to look for new processes: often while the app starts, later rarely.
#[derive(Debug, Default)]
struct Discovery {
    last: Option<(Stamp, Duration)>,
}

impl Discovery {
    /// Pages that come and come again are looked for once a second and not at each look.
    fn page_came(&mut self) {
        if let Some((_, wait)) = &mut self.last {
            *wait = DISCOVERY_FIRST;
        }
    }

    fn is_due(&mut self, now: Stamp) -> bool {
        let next = match self.last {
            None => DISCOVERY_FIRST,
            Some((at, wait)) if now.since(at) >= wait => (wait * 2).min(DISCOVERY_MAX),
            Some(_) => return false,
        };
        self.last = Some((now, next));
        true
    }
}

const DISCOVERY_FIRST: Duration = Duration::from_secs(1);
const DISCOVERY_MAX: Duration = Duration::from_secs(30);

/// From CPU time to a share of all cores.
struct Utilization {
    elapsed: Duration,
    cores: usize,
}

impl Utilization {
    /// `None` for a process that was not there at the last look.
    fn of(&self, process: &Process, before: &HashMap<Pid, Duration>) -> Option<f64> {
        let used = cpu_time(process).checked_sub(*before.get(&process.pid())?)?;
        let available = self.elapsed.as_secs_f64() * self.cores as f64;
        ratio(used.as_secs_f64(), available)
    }
}

/// CPU time and the clock are read one after the other, so the share could come out a little
/// above one.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole).clamp(0.0, 1.0))
}

fn cpu_time(process: &Process) -> Duration {
    Duration::from_millis(process.accumulated_cpu_time())
}

#[cfg(target_os = "linux")]
fn threads() -> Option<u64> {
    // `sysinfo` lists the threads but the main one, and reads a file for each.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let threads = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"))?;
    threads.trim().parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn threads() -> Option<u64> {
    None
}

#[cfg(unix)]
fn open_files(process: &Process) -> Option<u64> {
    let open = process.open_files()? as u64;
    // On Linux the directory of descriptors is itself open while they are counted.
    Some(open.saturating_sub(u64::from(cfg!(target_os = "linux"))))
}

#[cfg(not(unix))]
fn open_files(_: &Process) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeTime;

    #[test]
    fn new_processes_are_looked_for_less_and_less_often() {
        let time = FakeTime::start();
        let mut discovery = Discovery::default();
        let due: Vec<u64> = (0..100)
            .filter(|_| {
                let due = discovery.is_due(time.clock().now());
                time.advance(Duration::from_secs(1));
                due
            })
            .collect();
        assert_eq!(due, [0, 1, 3, 7, 15, 31, 61, 91]);
    }

    #[test]
    fn a_page_is_looked_for_soon_and_a_thousand_not_at_each_look() {
        let time = FakeTime::start();
        let mut discovery = Discovery::default();
        let due: Vec<u64> = (0..1_000)
            .filter(|at| {
                if (40_000..43_000).contains(&(at * 100)) {
                    discovery.page_came();
                }
                let due = discovery.is_due(time.clock().now());
                time.advance(Duration::from_millis(100));
                due
            })
            .collect();
        assert_eq!(
            due,
            [
                0, 10, 30, 70, 150, 310, 400, 410, 420, 430, 450, 490, 570, 730
            ]
        );
    }

    #[test]
    fn a_probe_hears_of_a_page() {
        let mut probe = SystemProbe::new().unwrap();
        probe.sample_once().unwrap();
        probe.discovery.last = Some((clock::now(), DISCOVERY_MAX));
        crate::Ipc::builder("seen")
            .build()
            .page_ready("p1")
            .unwrap();
        probe.sample_once().unwrap();
        let (_, wait) = probe.discovery.last.unwrap();
        assert_eq!(wait, DISCOVERY_FIRST);
    }

    #[test]
    fn a_ratio_of_nothing_is_unknown_and_none_exceeds_one() {
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(3.0, 2.0), Some(1.0));
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
    }
}
