//! Answers scrapes with what was scraped before: a thousand apps at one address.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::app::Answer;

/// A server that has an answer at each number. It runs until the test's process ends.
pub(crate) struct Replay {
    addr: SocketAddr,
    answers: Arc<Vec<Answer>>,
}

impl Replay {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answers = Arc::new(answers);
        for _ in 0..THREADS {
            let (listener, served) = (listener.try_clone().unwrap(), Arc::clone(&answers));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that goes away is its own affair.
                    let _ = answer(&stream, &served);
                }
            });
        }
        Self { addr, answers }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn answer(&self, n: usize) -> &Answer {
        &self.answers[n]
    }
}

/// So that a slow client keeps no other waiting.
const THREADS: usize = 4;

fn answer(mut stream: &TcpStream, answers: &[Answer]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let n = path.trim_start_matches('/').parse::<usize>();
    let Some(Answer { media_type, text }) = n.ok().and_then(|n| answers.get(n)) else {
        return Ok(());
    };
    let length = text.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    )
}
