//! The page's process, and its end by force.

use std::fs;
use std::process::Command;

/// Kills the process of the page, a child of this one, as the system does when memory is short.
pub(crate) fn kill() {
    for process in children() {
        // One that has ended meanwhile is as dead as it should be.
        let _ = Command::new("kill").arg("-KILL").arg(process).status();
    }
}

/// The processes of pages that this process started.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|process| process.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|process| is_page_of(process, &own))
        .collect()
}

fn is_page_of(process: &str, parent: &str) -> bool {
    // `1234 (WebKitWebProces) S 1200 …`: the name, the state, the parent.
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
        return false;
    };
    stat.contains("(WebKitWebProces")
        && stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1))
            == Some(parent)
}
