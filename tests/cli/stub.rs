//! Servers that say what a test wants, byte for byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What a request to this path gets; `None` is no answer at all.
type Say = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Listens for as long as the test process runs.
pub(crate) struct Stub(SocketAddr);

impl Stub {
    pub(crate) fn start(say: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let say: &'static Say = Box::leak(Box::new(say));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream, say));
            }
        });
        Self(addr)
    }

    /// Takes connections and never answers.
    pub(crate) fn silent() -> Self {
        Self::start(|_| None)
    }

    pub(crate) fn addr(&self) -> String {
        self.0.to_string()
    }
}

fn serve(mut stream: TcpStream, say: &Say) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let mut line = String::new();
    let _ = reader.read_line(&mut first);
    while reader.read_line(&mut line).is_ok_and(|len| len > 2) {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    match say(path) {
        Some(answer) => {
            let _ = stream.write_all(answer.as_bytes());
        }
        // Longer than anybody waits.
        None => thread::sleep(Duration::from_secs(60)),
    }
}

/// An answer with a body.
pub(crate) fn answer(status: u16, media_type: &str, body: &str) -> Option<String> {
    dated(status, media_type, body, "")
}

pub(crate) fn json(body: &str) -> Option<String> {
    answer(200, "application/json", body)
}

/// The same with more headers.
pub(crate) fn dated(status: u16, media_type: &str, body: &str, more: &str) -> Option<String> {
    let len = body.len();
    Some(format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {media_type}\r\ncontent-length: {len}\r\n\
         connection: close\r\n{more}\r\n{body}"
    ))
}

/// An address at which nothing listens.
pub(crate) fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
