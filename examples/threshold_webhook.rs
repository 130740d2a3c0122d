//! Posts to a webhook when too many operations fail: JSON, as chats and on-call services take it.
//!
//! Run with `cargo run --example threshold_webhook -- http://127.0.0.1:8000/hook`; for a look at what
//! comes, `nc -l 8000` listens there. Without a URL it prints what it would post.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use serde_json::json;
use spanwire::telemetry::{Telemetry, ThresholdState};
use spanwire::timer::monitor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);

    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .new_agent();
    let (done, posted) = sync_channel(16);
    let telemetry = Telemetry::builder("threshold-webhook")
        .prometheus_port(0)
        // An app leaves the window at its hour; an example has not got one.
        .threshold_window(Duration::from_secs(2))
        .on_threshold(move |event| {
            // On a thread of its own, so it may wait for the network.
            let state = match event.state {
                ThresholdState::Crossed => "crossed",
                ThresholdState::Recovered => "recovered",
            };
            let body = json!({
                "text": event.to_string(),
                "kind": event.kind.as_str(),
                "name": &*event.name,
                "state": state,
                "rate": event.rate,
                "threshold": event.threshold,
                "count": event.count,
            });
            let answer = url.as_ref().map(|url| {
                let post = agent.post(url).header("content-type", "application/json");
                post.send(body.to_string())
            });
            let said = match answer {
                Some(Ok(_)) => format!("posted: {event}"),
                Some(Err(error)) => format!("not posted, since {error}: {event}"),
                None => format!("would post: {body}"),
            };
            // The app may have ended in the meantime.
            let _ = done.send(said);
        })
        .install()?;

    // The app: its disk is gone.
    for _ in 0..40 {
        let _ = monitor("save_project").run(|| std::fs::read("/no/such/project"));
    }
    println!("{}", posted.recv_timeout(Duration::from_secs(30))?);
    telemetry.shutdown(Duration::from_secs(1));
    Ok(())
}
