//! A child process, and all that comes out of it.

use std::path::Path;

use spanwire_testkit::child_process;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Payload, Receiver};

/// What a child wrote, by where it went.
pub(crate) struct Output(Vec<(&'static str, Vec<u8>)>);

impl Output {
    /// Runs that test again in a process of its own, with that environment alone.
    pub(crate) fn of_child(test: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = child_process::clean_command(test);
        let output = child_process::run(command.envs(environment.iter().copied()));
        Self(vec![("stdout", output.stdout), ("stderr", output.stderr)])
    }

    /// Adds what that receiver got.
    pub(crate) fn and_received(mut self, receiver: &Receiver) -> Self {
        for request in receiver.received() {
            let signal = match request.payload {
                Payload::Traces(_) => TRACES,
                Payload::Logs(_) => LOGS,
                Payload::Metrics(_) => "metrics",
                Payload::Undecodable(why) => panic!("{why}"),
            };
            self.0.push((signal, request.body));
        }
        self
    }

    /// Adds the spool's files.
    pub(crate) fn and_spooled(mut self, folder: &Folder) -> Self {
        for file in folder.segments() {
            self.0.push((SPOOL, read(&file)));
        }
        self
    }

    /// Where that text came out.
    pub(crate) fn places(&self, text: &str) -> Vec<&'static str> {
        let found = self.0.iter().filter(|(_, bytes)| contains(bytes, text));
        let mut places: Vec<_> = found.map(|(place, _)| *place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// All that came out there, as far as it is text.
    pub(crate) fn text(&self, place: &str) -> String {
        let all = self.0.iter().filter(|(other, _)| *other == place);
        all.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }

    /// What is around each place where a secret of that beginning came out, for a person.
    pub(crate) fn around(&self, text: &str) -> String {
        let mut around = String::new();
        for (place, bytes) in &self.0 {
            let bytes = String::from_utf8_lossy(bytes);
            for (at, _) in bytes.match_indices(text) {
                let from = bytes.floor_char_boundary(at.saturating_sub(120));
                let to = bytes.ceil_char_boundary((at + 80).min(bytes.len()));
                around += &format!("{place}: …{:?}…\n", &bytes[from..to]);
            }
        }
        around
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

pub(crate) const TRACES: &str = "traces";
pub(crate) const LOGS: &str = "logs";
pub(crate) const SPOOL: &str = "spool";
