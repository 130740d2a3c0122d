//! The webview's processes: found rarely, since finding them means looking at every process.

use std::collections::HashMap;

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use crate::system::WebviewProcessType;

/// A process of the webview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) process_type: WebviewProcessType,
    /// With the pid it names a process for good: pids are used again.
    start_time: u64,
}

impl Child {
    /// Tells whether `process` is still this child and runs.
    pub(super) fn is(&self, process: &Process) -> bool {
        process.start_time() == self.start_time && runs(process)
    }
}

/// Looks at every process of the host for descendants of `parent` that belong to a webview.
///
/// It takes a few milliseconds. What was read is thrown away at once, so that a sampler does not
/// hold the list of all processes.
pub(super) fn discover(parent: Pid) -> Vec<Child> {
    // A list of its own, for this look alone: the sampler's holds the few processes that it
    // watches.
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    system.refresh_processes_specifics(
        ProcessesToUpdate::All,
        true,
        // Without it `sysinfo` lists each thread as a process.
        ProcessRefreshKind::nothing().without_tasks(),
    );
    let processes = system.processes();
    let mut children: Vec<Child> = processes
        .values()
        .filter(|process| runs(process) && descends(process, parent, processes))
        .filter_map(|process| {
            Some(Child {
                pid: process.pid(),
                process_type: WebviewProcessType::of(&process.name().to_string_lossy())?,
                start_time: process.start_time(),
            })
        })
        .collect();
    // Sorted before the cut, so that the same ones are kept from look to look.
    children.sort_unstable_by_key(|child| child.pid);
    children.truncate(CHILDREN_MAX);
    children
}

fn descends(process: &Process, ancestor: Pid, processes: &HashMap<Pid, Process>) -> bool {
    let mut parent = process.parent();
    // A process may end while they are read and its pid be used again, so there could be a circle.
    for _ in 0..GENERATIONS_MAX {
        match parent {
            Some(pid) if pid == ancestor => return true,
            Some(pid) => parent = processes.get(&pid).and_then(Process::parent),
            None => return false,
        }
    }
    false
}

/// A process that ended and whose parent has not asked how is still listed.
fn runs(process: &Process) -> bool {
    process.exists()
        && !matches!(
            process.status(),
            ProcessStatus::Zombie | ProcessStatus::Dead
        )
}

/// Webview processes that are looked at; further ones are left out. An app has a handful.
const CHILDREN_MAX: usize = 256;
const GENERATIONS_MAX: usize = 16;
