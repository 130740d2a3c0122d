//! What is counted and kept under every answer that is not the one of a healthy collector, with a
//! server that speaks to the socket itself.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use spanwire::telemetry::FlushError;
use spanwire_testkit::folder::Folder;

use crate::app::{App, SECOND, builder};

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Takes it, as a collector does.
    Taken,
    /// These bytes, once the whole request was read.
    Bytes(&'static [u8]),
    /// Takes it, with a body that never ends.
    Endless,
    /// 413 for a body above so many bytes, of which it reads none; takes smaller ones.
    UnreadAbove(usize),
    /// The same, read to its end.
    ReadAbove(usize),
    /// Closes the connection when the body has this in it; takes others.
    BreaksAt(&'static str),
}

struct Server {
    addr: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    /// Names of the spans that were taken, in order.
    taken: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<u32>>,
}

const TAKEN: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

impl Server {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            taken: Arc::default(),
            requests: Arc::default(),
        };
        let (answer, taken) = (Arc::clone(&server.answer), Arc::clone(&server.taken));
        let requests = Arc::clone(&server.requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (answer, taken) = (Arc::clone(&answer), Arc::clone(&taken));
                let requests = Arc::clone(&requests);
                std::thread::spawn(move || {
                    // Errors are the client's, which goes away.
                    let _ = serve(stream, &answer, &taken, &requests);
                });
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    fn requests(&self) -> u32 {
        *self.requests.lock().unwrap()
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &Mutex<Answer>,
    taken: &Mutex<Vec<String>>,
    requests: &Mutex<u32>,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        *requests.lock().unwrap() += 1;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let len: usize = len.unwrap().trim().parse().unwrap();
        let answer = *answer.lock().unwrap();
        if matches!(answer, Answer::UnreadAbove(most) if len > most) {
            stream.write_all(TOO_LARGE)?;
            stream.shutdown(Shutdown::Write)?;
            std::thread::sleep(Duration::from_millis(500));
            return Ok(());
        }
        let mut body = vec![0; len];
        stream.read_exact(&mut body)?;
        let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        match answer {
            Answer::ReadAbove(most) if len > most => {
                stream.write_all(TOO_LARGE)?;
                return Ok(());
            }
            Answer::BreaksAt(text) if has(text) => return Ok(()),
            Answer::Bytes(bytes) => {
                if bytes.starts_with(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf") {
                    taken.lock().unwrap().extend(names(&body));
                }
                stream.write_all(bytes)?;
                return Ok(());
            }
            Answer::Endless => {
                taken.lock().unwrap().extend(names(&body));
                stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\r\n",
                )?;
                loop {
                    stream.write_all(&[0; 4_096])?;
                }
            }
            _ => {
                taken.lock().unwrap().extend(names(&body));
                stream.write_all(TAKEN)?;
            }
        }
    }
}

fn names(body: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let resources = request.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans);
    spans.map(|span| span.name).collect()
}

const SIGN_IN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 27\r\n\
    connection: close\r\n\r\n<html>Please sign in</html>";
const GARBAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\xff\xff\xff\xff";
const CUT: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 90\r\n\r\n\x0a";
const UNAUTHORIZED: &[u8] =
    b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const REDIRECT: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: http://sign-in.example/\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

#[test]
fn what_is_answered_by_no_collector_waits_until_there_is_one() {
    for answer in [SIGN_IN, GARBAGE, UNAUTHORIZED, FORBIDDEN, REDIRECT] {
        let text = String::from_utf8_lossy(answer);
        let server = Server::start(Answer::Bytes(answer));
        let folder = Folder::new("spool_answers_none");
        let app = App::start(builder(&server.url(), folder.path()));
        app.span("a");
        app.span("b");
        assert!(server.taken().is_empty(), "{text}");
        assert_eq!(app.items("spooled"), 2.0, "{text}");
        server.answer(Answer::Taken);
        app.wait_until("the spool is sent", |app| app.items("replayed") == 2.0);
        assert_eq!(server.taken(), ["a", "b"], "{text}");
        let report = app.telemetry.shutdown(5 * SECOND).spans;
        assert_eq!(
            (report.exported, report.lost, report.spooled),
            (2, 0, 0),
            "{text}"
        );
    }
}

#[test]
fn what_is_answered_by_no_collector_is_lost_without_a_spool() {
    let server = Server::start(Answer::Bytes(SIGN_IN));
    let telemetry = spanwire::Telemetry::builder("test")
        .environment(|_| None)
        .prometheus_port(0)
        .otlp_endpoint(server.url())
        .otlp_timeout(2 * SECOND)
        .sampler(spanwire::telemetry::Sampler::ParentBasedAlwaysOn)
        .without_system()
        .quiet();
    let app = App::start(telemetry);
    app.span_unflushed("a");
    assert_eq!(app.telemetry.flush(20 * SECOND), Err(FlushError::Lost(1)));
    let report = app.telemetry.shutdown(2 * SECOND).spans;
    let error = report.last_error.unwrap();
    assert!(error.contains("not OTLP"), "{error}");
    assert_eq!((report.exported, report.lost), (0, 1));
}

#[test]
fn a_collector_whose_answer_is_cut_or_endless_has_taken_the_request_once() {
    for answer in [Answer::Bytes(CUT), Answer::Endless] {
        let server = Server::start(answer);
        let folder = Folder::new("spool_answers_cut");
        let app = App::start(builder(&server.url(), folder.path()));
        app.span("a");
        assert_eq!(
            (server.taken(), server.requests()),
            (vec!["a".into()], 1),
            "{answer:?}"
        );
        let report = app.telemetry.shutdown(5 * SECOND).spans;
        assert_eq!(
            (report.exported, report.lost, report.spooled),
            (1, 0, 0),
            "{answer:?}"
        );
    }
}

/// Spans in one request of some 16 MB, more than sockets buffer.
fn large_batch(app: &App) -> Vec<String> {
    let names: Vec<String> = (0..16)
        .map(|n| format!("{n:02}{}", "x".repeat(1_000_000)))
        .collect();
    for name in &names {
        app.span_unflushed(name);
    }
    names
}

#[test]
fn a_request_that_is_too_large_arrives_in_pieces() {
    for answer in [Answer::UnreadAbove(2_500_000), Answer::ReadAbove(2_500_000)] {
        let server = Server::start(answer);
        let folder = Folder::new("spool_answers_large");
        let app = App::start(builder(&server.url(), folder.path()).otlp_timeout(20 * SECOND));
        let names = large_batch(&app);
        app.telemetry.flush(60 * SECOND).unwrap();
        // So much may take longer than it is waited for in memory.
        app.wait_until("everything is answered", |app| app.size() == 0.0);
        assert!(
            server.taken() == names,
            "{answer:?}: {} taken",
            server.taken().len()
        );
        let report = app.telemetry.shutdown(5 * SECOND).spans;
        assert_eq!(
            (report.exported, report.lost, report.spooled),
            (16, 0, 0),
            "{answer:?}"
        );
    }
}

#[test]
fn a_request_that_is_too_large_for_the_disks_collector_arrives_in_pieces() {
    let server = Server::start(Answer::Bytes(UNAUTHORIZED));
    let folder = Folder::new("spool_answers_large_spooled");
    let app = App::start(builder(&server.url(), folder.path()).otlp_timeout(20 * SECOND));
    let names = large_batch(&app);
    app.telemetry.flush(60 * SECOND).unwrap();
    assert_eq!(app.items("spooled"), 16.0);
    server.answer(Answer::ReadAbove(2_500_000));
    app.wait_until("the spool is sent", |app| app.items("replayed") == 16.0);
    assert!(server.taken() == names, "{} taken", server.taken().len());
    assert_eq!(app.telemetry.shutdown(5 * SECOND).spans.exported, 16);
}

#[test]
fn a_single_span_that_is_too_large_is_lost_and_the_next_one_arrives() {
    let server = Server::start(Answer::UnreadAbove(100_000));
    let folder = Folder::new("spool_answers_single");
    let app = App::start(builder(&server.url(), folder.path()));
    app.span_unflushed(&"x".repeat(16_000_000));
    assert_eq!(app.telemetry.flush(20 * SECOND), Err(FlushError::Lost(1)));
    app.span("small");
    assert_eq!(server.taken(), ["small"]);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.lost, report.spooled), (1, 1, 0));
    assert!(report.last_error.unwrap().contains("413"));
}

#[test]
fn a_request_at_which_the_collector_always_fails_does_not_block_what_is_behind_it() {
    let server = Server::start(Answer::Bytes(UNAUTHORIZED));
    let folder = Folder::new("spool_answers_poison");
    let app = App::start(builder(&server.url(), folder.path()));
    for name in ["a", "poison", "b", "c"] {
        app.span(name);
    }
    server.answer(Answer::BreaksAt("poison"));
    app.wait_until("the rest is sent", |app| app.items("replayed") == 3.0);
    assert_eq!(server.taken(), ["a", "b", "c"]);
    assert_eq!(app.dropped("refused"), 1.0);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.lost, report.spooled), (3, 1, 0));
}
