//! Looks at the system.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sysinfo::{MemoryRefreshKind, Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::clock::{self, Stamp};
use crate::instrument::handles;
use crate::system::allocator::{Allocator, AppAllocator};
use crate::system::children::{Child, discover};
use crate::system::cpu::{CpuMode, CpuShares, CpuTime, ratio};
#[cfg(target_os = "linux")]
use crate::system::proc::{self, HostCpu};
#[cfg(target_os = "linux")]
use crate::system::threads::ThreadWatch;
use crate::system::{SystemSample, ThreadCpu, WebviewProcessType, WebviewProcesses};

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
    cpu_time: HashMap<Pid, CpuTime>,
    /// CPU time of the host at the last look.
    #[cfg(target_os = "linux")]
    host_cpu: Option<HostCpu>,
    #[cfg(target_os = "linux")]
    threads: ThreadWatch,
    allocator: AppAllocator,
    looked_at: Stamp,
    started: Option<(Duration, Stamp)>,
    seen: [bool; WebviewProcessType::ALL.len()],
}

/// Why nothing can be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The operating system is not supported.
    #[error("this operating system does not report on processes")]
    Unsupported(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The process cannot see itself, for example because `/proc` is not mounted.
    #[error("the system does not list this process")]
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
            // This process stays the first, so `truncate(1)` leaves it alone.
            pids: vec![pid],
            discovery: Discovery::default(),
            pages: handles::page_epoch(),
            cpu_time: HashMap::new(),
            #[cfg(target_os = "linux")]
            host_cpu: None,
            #[cfg(target_os = "linux")]
            threads: ThreadWatch::default(),
            allocator: AppAllocator::default(),
            // `since` of no stamp is zero, and a share of no time is unknown: so a first look has
            // none.
            looked_at: Stamp::NONE,
            started: None,
            seen: [false; WebviewProcessType::ALL.len()],
        })
    }

    /// Asks that allocator with each look.
    #[must_use]
    pub fn allocator(self, allocator: impl Allocator + 'static) -> Self {
        self.with(AppAllocator(Some(Arc::new(allocator))))
    }

    pub(super) fn with(mut self, allocator: AppAllocator) -> Self {
        self.allocator = allocator;
        self
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
        // A new page may run in a new process.
        if std::mem::replace(&mut self.pages, pages) != pages {
            self.discovery.page_appeared();
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
            refresh_kind(),
        );
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        // This call precedes the shares: a process that has got the pid of an earlier child is no
        // child.
        self.forget_the_dead();

        let (cores, host_cpu) = self.host_cpu(now);
        // What all cores could have done since the last look.
        let available = now.since(self.looked_at) * cores;
        let cpu_time: HashMap<Pid, CpuTime> = self
            .system
            .processes()
            .values()
            .filter_map(|process| Some((process.pid(), process_cpu_time(process)?)))
            .collect();
        let shares = Shares {
            before: std::mem::replace(&mut self.cpu_time, cpu_time),
            now: &self.cpu_time,
            available,
        };
        let own_cpu = shares.of(self.pid);
        let children = self.children.iter();
        let child_cpu: Vec<_> = children.map(|child| shares.of(child.pid)).collect();
        let webview_processes = self.webview_processes(&child_cpu);
        let thread_cpu = self.thread_cpu(available, own_cpu.as_ref().map(|cpu| cpu.total));
        // The refresh above has taken out what the system does not list.
        let own = self.system.process(self.pid).ok_or(ProbeError::Hidden)?;
        // The probe asks for the run time once: it is in whole seconds, and our clock counts on
        // from there.
        let (age, at) = *self
            .started
            .get_or_insert((Duration::from_secs(own.run_time()), now));
        let sample = SystemSample {
            cpu_utilization: own_cpu.as_ref().map(|cpu| cpu.total),
            cpu_modes: own_cpu.map_or_else(Vec::new, |cpu| cpu.modes),
            memory_bytes: own.memory(),
            virtual_bytes: own.virtual_memory(),
            allocator: self.allocator.figures(),
            threads: threads(),
            thread_cpu,
            open_files: open_files(own),
            uptime: age + now.since(at),
            host_cpu_utilization: host_cpu.as_ref().map(|cpu| cpu.total),
            host_cpu_modes: host_cpu.map_or_else(Vec::new, |cpu| cpu.modes),
            host_memory_utilization: ratio(
                self.system.used_memory() as f64,
                self.system.total_memory() as f64,
            ),
            // A host without memory is one that does not tell.
            host_memory_bytes: Some(self.system.total_memory()).filter(|bytes| *bytes > 0),
            webview_processes,
        };
        self.looked_at = now;
        Ok(sample)
    }

    /// What the threads used of `available` since the last look.
    #[cfg(target_os = "linux")]
    fn thread_cpu(&mut self, available: Duration, total: Option<f64>) -> Vec<ThreadCpu> {
        self.threads.look(proc::threads(), available, total)
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "only Linux tells of threads")]
    fn thread_cpu(&self, _: Duration, _: Option<f64>) -> Vec<ThreadCpu> {
        Vec::new()
    }

    /// How many cores there are, and what of them is in use; the latter only from the second look.
    #[cfg(target_os = "linux")]
    fn host_cpu(&mut self, _: Stamp) -> (u32, Option<CpuShares>) {
        let host = proc::host_cpu();
        let cores = host.as_ref().map_or(1, |host| host.cores);
        // Replaced also when this look failed, so that no share is over two intervals.
        let before = std::mem::replace(&mut self.host_cpu, host);
        let shares = before
            .zip(self.host_cpu.as_ref())
            .and_then(|(before, now)| {
                let all = now.all.checked_sub(before.all)?;
                now.used.shares(&before.used, all)
            });
        (u32::try_from(cores).unwrap_or(u32::MAX).max(1), shares)
    }

    /// How many cores there are, and what of them is in use; the latter only from the second look.
    #[cfg(not(target_os = "linux"))]
    fn host_cpu(&mut self, now: Stamp) -> (u32, Option<CpuShares>) {
        self.system.refresh_cpu_usage();
        let cores = self.system.cpus().len();
        // `sysinfo` needs two refreshes for a share, so the first look has none.
        let total = (!now.since(self.looked_at).is_zero())
            .then(|| ratio(self.system.global_cpu_usage().into(), 100.0))
            .flatten();
        let shares = total.map(|total| CpuShares {
            total,
            modes: Vec::new(),
        });
        (u32::try_from(cores).unwrap_or(u32::MAX).max(1), shares)
    }

    fn forget_the_dead(&mut self) {
        let system = &self.system;
        let before = self.children.len();
        self.children
            .retain(|child| system.process(child.pid).is_some_and(|p| child.is(p)));
        // A child that ended is not looked up again: its pid may be another process's.
        if self.children.len() < before {
            self.pids.truncate(1);
            self.pids
                .extend(self.children.iter().map(|child| child.pid));
            // What took the place of the one that crashed is found soon.
            self.discovery = Discovery::default();
        }
    }

    /// `cpu` has what each child used, in their order.
    fn webview_processes(&mut self, cpu: &[Option<CpuShares>]) -> Vec<WebviewProcesses> {
        let mut types = WebviewProcessType::ALL.map(|process_type| WebviewProcesses {
            process_type,
            count: 0,
            cpu_utilization: None,
            cpu_modes: Vec::new(),
            memory_bytes: 0,
        });
        let mut used: [Option<CpuShares>; WebviewProcessType::ALL.len()] = Default::default();
        for (child, cpu) in self.children.iter().zip(cpu) {
            let Some(process) = self.system.process(child.pid) else {
                continue;
            };
            let index = child.process_type.index();
            self.seen[index] = true;
            types[index].count += 1;
            types[index].memory_bytes += process.memory();
            if let Some(cpu) = cpu {
                used[index].get_or_insert_default().add(cpu);
            }
        }
        types
            .into_iter()
            .zip(used)
            .filter(|(sum, _)| self.seen[sum.process_type.index()])
            .map(|(mut sum, used)| {
                let used = match sum.count {
                    // If there were children before, the gauges fall to 0 and do not keep the last
                    // values.
                    0 => Some(no_use()),
                    _ => used,
                };
                if let Some(used) = used {
                    sum.cpu_utilization = Some(used.total);
                    sum.cpu_modes = used.modes;
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
    fn page_appeared(&mut self) {
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

/// What processes used since the last look.
struct Shares<'a> {
    before: HashMap<Pid, CpuTime>,
    now: &'a HashMap<Pid, CpuTime>,
    available: Duration,
}

impl Shares<'_> {
    /// `None` for a process that was not there at the last look.
    fn of(&self, pid: Pid) -> Option<CpuShares> {
        let now = self.now.get(&pid)?;
        now.shares(self.before.get(&pid)?, self.available)
    }
}

/// What processes that are gone use.
fn no_use() -> CpuShares {
    CpuShares {
        total: 0.0,
        // Where the series are by mode, each of them has to fall to 0.
        modes: match cfg!(target_os = "linux") {
            true => vec![(CpuMode::User, 0.0), (CpuMode::System, 0.0)],
            false => Vec::new(),
        },
    }
}

/// What `sysinfo` is asked about a process. CPU time is read by us where it is split.
fn refresh_kind() -> ProcessRefreshKind {
    let kind = ProcessRefreshKind::nothing().without_tasks().with_memory();
    match cfg!(target_os = "linux") {
        true => kind,
        false => kind.with_cpu(),
    }
}

#[cfg(target_os = "linux")]
fn process_cpu_time(process: &Process) -> Option<CpuTime> {
    proc::process_cpu_time(process.pid().as_u32())
}

#[cfg(not(target_os = "linux"))]
fn process_cpu_time(process: &Process) -> Option<CpuTime> {
    let time = Duration::from_millis(process.accumulated_cpu_time());
    Some(CpuTime::whole(time))
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
                    discovery.page_appeared();
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
}
