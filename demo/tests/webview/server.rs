//! A web server of somebody else, as far as these tests need one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Serves one page, at any path, until the process ends.
pub(crate) struct Server {
    port: u16,
    gate: Arc<Gate>,
}

/// Holds back answers to paths that begin with `/slow`.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Server {
    /// `/download…` is something to save, and `/slow…` is answered once the gate is open.
    pub(crate) fn start(page: &'static str) -> Self {
        Self::telling(page, |_| ())
    }

    /// Tells of each path that it is asked for.
    pub(crate) fn telling(page: &'static str, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), page, tell)
    }

    pub(crate) fn listen(
        listener: TcpListener,
        page: &'static str,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let tell = Arc::new(tell);
        let port = listener.local_addr().unwrap().port();
        let gate = Arc::new(Gate::default());
        let server = Self {
            port,
            gate: Arc::clone(&gate),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (gate, tell) = (Arc::clone(&gate), Arc::clone(&tell));
                std::thread::spawn(move || _ = answer(stream, page, &gate, &*tell));
            }
        });
        server
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.is_open.lock().unwrap() = true;
        self.gate.opened.notify_all();
    }
}

fn answer(
    mut stream: TcpStream,
    page: &str,
    gate: &Gate,
    tell: &dyn Fn(&str),
) -> std::io::Result<()> {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    lines.read_line(&mut request)?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    tell(path);
    if path.starts_with("/slow") {
        let is_open = gate.is_open.lock().unwrap();
        let _open = gate
            .opened
            .wait_while(is_open, |is_open| !*is_open)
            .unwrap();
    }
    let to_save = match path.starts_with("/download") {
        true => "Content-Disposition: attachment\r\n",
        false => "",
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{to_save}Content-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}
