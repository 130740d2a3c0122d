//! What happens to the page's process.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use spanwire::ipc::Ipc;

use crate::send::send;
use crate::serve::ORIGIN;
use crate::ui::Ui;

/// The page's process stands still until this is dropped.
#[derive(Debug)]
pub(super) struct Frozen {
    thaw: Vec<Child>,
}

/// # Errors
///
/// There is no such process, or it cannot be stopped.
pub(super) fn frozen() -> io::Result<Frozen> {
    let mut frozen = Frozen { thaw: Vec::new() };
    for pid in page_processes()? {
        // Before it is stopped: a demo that is killed must not leave a process that stands still.
        frozen.thaw.push(thaw_at_the_end(pid)?);
        signal("-STOP", pid)?;
    }
    Ok(frozen)
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for child in &mut self.thaw {
            drop(child.stdin.take());
            // It has been waited for, or was not ours to wait for.
            let _ = child.wait();
        }
    }
}

/// Lets the process go on when nobody has the other end of its input any more.
fn thaw_at_the_end(pid: u32) -> io::Result<Child> {
    // `read` returns when the pipe closes, which the kernel does also for a demo that was killed.
    // The trap is for Ctrl-C, which the terminal sends to this shell as well.
    const SCRIPT: &str = r#"trap '' INT TERM HUP; read -r _; kill -CONT "$1" 2>/dev/null"#;
    Command::new("sh")
        .args(["-c", SCRIPT, "sh", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// The page's process has been killed. When this is dropped, the page is loaded anew.
#[derive(Debug)]
pub(super) struct Dead {
    ui: Ui,
}

/// # Errors
///
/// There is no such process.
pub(super) fn dead(ipc: &Ipc, ui: &Ui) -> io::Result<Dead> {
    let pids = page_processes()?;
    let ipc = ipc.clone();
    ui.run(move |webview| {
        // It hangs first, so that something is on its way when it dies: what is worth it is sent to
        // the next page once more, the rest is lost.
        for pid in &pids {
            let _ = signal("-STOP", *pid);
        }
        let notice = json!({ "text": "your work is saved" });
        if let Err(error) = ipc.emit_replay("fault.notice", &notice) {
            tracing::debug!(%error, "not sent");
        }
        send(&ipc, "fault.progress", &0);
        ipc.pump(webview);
        for pid in &pids {
            let _ = signal("-KILL", *pid);
        }
    });
    Ok(Dead { ui: ui.clone() })
}

impl Drop for Dead {
    fn drop(&mut self) {
        self.ui.run(|webview| {
            if let Err(error) = webview.reload() {
                tracing::error!(%error, "the page cannot be loaded anew");
            }
        });
    }
}

/// The page is an empty document of the app's own. When this is dropped, it is brought
/// back.
#[derive(Debug)]
pub(super) struct Empty {
    ui: Ui,
}

pub(super) fn empty(ui: &Ui) -> Empty {
    go(ui, "/empty.html");
    Empty { ui: ui.clone() }
}

impl Drop for Empty {
    fn drop(&mut self) {
        go(&self.ui, "/");
    }
}

fn go(ui: &Ui, path: &'static str) {
    ui.run(move |webview| {
        if let Err(error) = webview.load_url(&format!("{ORIGIN}{path}")) {
            tracing::error!(%error, "the page cannot be loaded");
        }
    });
}

fn signal(signal: &str, pid: u32) -> io::Result<()> {
    // A program for it: two signals are not worth a library or `unsafe` code.
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill {signal} {pid}: {status}")))
    }
}

/// The processes that run this process's pages, as the kernel tells of them.
fn page_processes() -> io::Result<Vec<u32>> {
    if !cfg!(target_os = "linux") {
        return Err(io::Error::other("only on Linux is a page's process known"));
    }
    let parent = std::process::id().to_string();
    let is_page = |pid: &u32| {
        // `pid (name) state ppid …`: a name may hold anything, and is cut to 15 bytes.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // From the right: the name itself may hold a parenthesis.
        let Some((name, rest)) = stat.rsplit_once(") ") else {
            return false;
        };
        let mut rest = rest.split(' ');
        let is_alive = rest
            .next()
            // A process that was killed stays as a zombie until WebKit has waited for it.
            .is_some_and(|state| state != "Z" && state != "X");
        is_alive && rest.next() == Some(&parent) && name.ends_with("(WebKitWebProces")
    };
    let pids: Vec<u32> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(is_page)
        .collect();
    if pids.is_empty() {
        return Err(io::Error::other("the page has no process"));
    }
    Ok(pids)
}
