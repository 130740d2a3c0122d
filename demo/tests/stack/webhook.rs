//! The receiver of the example in alertmanager.yml: takes notifications and remembers them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

#[derive(Clone, Default)]
pub struct Webhook {
    notes: Arc<Mutex<Vec<(String, String)>>>,
}

impl Webhook {
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:9099").expect("port 9099 is free");
        let webhook = Self::default();
        let notes = webhook.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that is cut off is sent again.
                let _ = notes.take(stream);
            }
        });
        webhook
    }

    /// Whether it was told that an alert is `firing` or `resolved`.
    pub fn was_told(&self, alert: &str, status: &str) -> bool {
        let notes = self.notes.lock().expect("nobody panicked");
        notes
            .iter()
            .any(|(name, told)| name == alert && told == status)
    }

    fn take(&self, stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body)?;
        for alert in body["alerts"].as_array().into_iter().flatten() {
            let name = alert["labels"]["alertname"].as_str().unwrap_or_default();
            let status = alert["status"].as_str().unwrap_or_default();
            let mut notes = self.notes.lock().expect("nobody panicked");
            notes.push((name.to_owned(), status.to_owned()));
        }
        (&stream)
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        Ok(())
    }
}
