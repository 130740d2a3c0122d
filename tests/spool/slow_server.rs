//! A collector that takes its time, or that never answers at all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The connection is accepted, and nothing is read from it.
    Never,
    /// The request is read, and the answer comes with one byte in a second.
    ByteASecond,
    /// The request is taken, and answered after that time.
    After(Duration),
}

pub(crate) struct SlowServer {
    addr: SocketAddr,
    /// Names of the spans that were taken, in order.
    taken: Arc<Mutex<Vec<String>>>,
}

const TAKEN: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

impl SlowServer {
    pub(crate) fn start(pace: Pace) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        std::thread::spawn({
            let taken = Arc::clone(&taken);
            move || {
                let mut kept = Vec::new();
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { return };
                    if pace == Pace::Never {
                        kept.push(stream);
                        continue;
                    }
                    let taken = Arc::clone(&taken);
                    std::thread::spawn(move || {
                        // Errors are the client's, which goes away.
                        let _ = serve(stream, pace, &taken);
                    });
                }
            }
        });
        Self { addr, taken }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, pace: Pace, taken: &Mutex<Vec<String>>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; len.unwrap().trim().parse().unwrap()];
        stream.read_exact(&mut body)?;
        match pace {
            Pace::Never => return Ok(()),
            Pace::ByteASecond => {
                for byte in TAKEN {
                    stream.write_all(&[*byte])?;
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            Pace::After(time) => {
                let request = ExportTraceServiceRequest::decode(&*body).unwrap();
                let resources = request.resource_spans.into_iter();
                let scopes = resources.flat_map(|resource| resource.scope_spans);
                let spans = scopes.flat_map(|scope| scope.spans);
                taken.lock().unwrap().extend(spans.map(|span| span.name));
                std::thread::sleep(time);
                stream.write_all(TAKEN)?;
            }
        }
    }
}
