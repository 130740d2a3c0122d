//! What is on sockets of this machine: a page of another origin, and the plugin's own endpoint.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use tauri::AppHandle;
use tauri_plugin_spanwire::SpanwireExt;

use crate::report_path;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>remote</title>";

/// Serves it, and takes the page's report. Returns where.
pub(crate) fn serve(app: AppHandle) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &app);
        }
    });
    format!("http://{address}/")
}

fn answer(mut stream: TcpStream, app: &AppHandle) {
    let mut request = Vec::new();
    let mut bytes = [0; 4096];
    let (head, mut body) = loop {
        let read = stream.read(&mut bytes).unwrap();
        request.extend_from_slice(&bytes[..read]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_lowercase(), body.to_owned());
        }
        if read == 0 {
            return;
        }
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while body.len() < length {
        let read = stream.read(&mut bytes).unwrap();
        body.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    let page = if head.starts_with("post /report") {
        ""
    } else {
        PAGE
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
    .unwrap();
    if head.starts_with("post /report") {
        std::fs::write(report_path(), body).unwrap();
        app.exit(0);
    }
}

/// What the plugin's endpoint says of the states of pages, now.
pub(crate) fn page_states(app: &AppHandle) -> Vec<String> {
    let telemetry = app.spanwire_telemetry().unwrap();
    let mut stream = TcpStream::connect(telemetry.prometheus_addr().unwrap()).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let states = text
        .lines()
        .filter(|line| line.starts_with("spanwire_page_state{"));
    states.map(str::to_owned).collect()
}
