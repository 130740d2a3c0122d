//! A collector that speaks to the socket itself, so that it can answer as no HTTP server would, or
//! not at all. It remembers the spans that it took.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// What the collector does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Takes it.
    Taken,
    /// Takes it, and answers after that time.
    TakenAfter(Duration),
    /// Takes it, and answers with a body that never ends.
    Endless,
    /// These bytes, once the whole request was read. A 200 with OTLP's content type takes it.
    Bytes(&'static [u8]),
    /// 413 for a body above so many bytes, of which it reads none; takes smaller ones.
    UnreadAbove(usize),
    /// The same, read to its end.
    ReadAbove(usize),
    /// Closes the connection when the body has this in it; takes others.
    BreaksAt(&'static str),
    /// Reads it, and closes the connection.
    Closes,
    /// Reads nothing, and keeps the connection.
    Hangs,
    /// Reads it, and answers with one byte in a second.
    ByteASecond,
    /// One after the other: takes, 503, closes, takes slowly.
    Flaky,
}

/// The page of a network that wants a sign-in.
pub const SIGN_IN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 27\r\n\
    connection: close\r\n\r\n<html>Please sign in</html>";
/// A success that is no OTLP.
pub const GARBAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\xff\xff\xff\xff";
/// A success whose body ends before its length.
pub const CUT: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 90\r\n\r\n\x0a";
/// A token is missing, or ran out.
pub const UNAUTHORIZED: &[u8] =
    b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// A token is not enough.
pub const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The way to a sign-in.
pub const REDIRECT: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: http://sign-in.example/\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// It is not there at the moment.
pub const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// It wants less.
pub const THROTTLED: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// It does not understand the request.
pub const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Listens until the process ends.
#[derive(Debug)]
pub struct FaultyCollector {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<Answer>,
    /// The names of the spans of each request that was taken, in order.
    taken: Mutex<Vec<Vec<String>>>,
    requests: AtomicU32,
}

impl FaultyCollector {
    /// Listens on a port of its own.
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            taken: Mutex::default(),
            requests: AtomicU32::new(0),
        });
        std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { return };
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || {
                        // Errors are the client's, which goes away.
                        let _ = serve(stream, &shared);
                    });
                }
            }
        });
        Self { addr, shared }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// From now on answers so.
    pub fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// The names of the spans that were taken, in the order in which they arrived.
    pub fn taken(&self) -> Vec<String> {
        self.shared.taken.lock().unwrap().concat()
    }

    /// The same, request by request.
    pub fn taken_requests(&self) -> Vec<Vec<String>> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// How many requests began to arrive, taken or not.
    pub fn requests(&self) -> u32 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

/// Where nothing listens, nor will: a port that was free a moment ago may be another listener's the
/// next, and systems give none of these away.
pub fn refused_url() -> String {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    assert!(TcpStream::connect(addr).is_err(), "{addr} is taken");
    format!("http://{addr}")
}

const TAKEN: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    loop {
        if *shared.answer.lock().unwrap() == Answer::Hangs {
            loop {
                std::thread::park();
            }
        }
        let head = head(&mut stream)?;
        let count = shared.requests.fetch_add(1, Ordering::SeqCst);
        let answer = match *shared.answer.lock().unwrap() {
            Answer::Flaky => [
                Answer::Taken,
                Answer::Bytes(UNAVAILABLE),
                Answer::Closes,
                Answer::TakenAfter(Duration::from_millis(300)),
            ][count as usize % 4],
            answer => answer,
        };
        let len = content_length(&head);
        if matches!(answer, Answer::UnreadAbove(most) if len > most) {
            stream.write_all(TOO_LARGE)?;
            stream.shutdown(Shutdown::Write)?;
            std::thread::sleep(Duration::from_millis(500));
            return Ok(());
        }
        let mut body = vec![0; len];
        stream.read_exact(&mut body)?;
        let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        let take = || shared.taken.lock().unwrap().push(span_names(&body));
        match answer {
            Answer::ReadAbove(most) if len > most => return stream.write_all(TOO_LARGE),
            Answer::BreaksAt(text) if has(text) => return Ok(()),
            Answer::Closes => return Ok(()),
            Answer::Bytes(bytes) => {
                if bytes.starts_with(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf") {
                    take();
                }
                return stream.write_all(bytes);
            }
            Answer::Endless => {
                take();
                stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\r\n",
                )?;
                loop {
                    stream.write_all(&[0; 4_096])?;
                }
            }
            Answer::ByteASecond => {
                for byte in TAKEN {
                    stream.write_all(&[*byte])?;
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            Answer::TakenAfter(time) => {
                take();
                std::thread::sleep(time);
                stream.write_all(TAKEN)?;
            }
            _ => {
                take();
                stream.write_all(TAKEN)?;
            }
        }
    }
}

/// The head of a request, in small letters.
fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).to_lowercase())
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines();
    let len = lines.find_map(|line| line.strip_prefix("content-length:"));
    len.unwrap().trim().parse().unwrap()
}

fn span_names(body: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let resources = request.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans);
    spans.map(|span| span.name).collect()
}
