//! WebKitGTK's WebDriver, and the example under it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::patience::wait;

/// What each driver answers an element as, by the specification.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The driver's process, with one session: the example in a window of its own.
#[derive(Debug)]
pub struct Driver {
    process: Child,
    address: String,
    session: String,
}

impl Driver {
    /// Starts the driver, which starts the example with these variables.
    pub fn start(app: &Path, variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = Command::new("WebKitWebDriver");
        for (name, _) in std::env::vars() {
            if name.starts_with("OTEL_") || name.starts_with("SPANWIRE_") {
                command.env_remove(name);
            }
        }
        let process = command
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .envs(variables.iter().copied())
            // Tauri lets a driver in then.
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::null())
            .spawn()
            .expect("WebKitWebDriver is there: scripts/install-packages test");
        let mut driver = Self {
            process,
            address: format!("http://127.0.0.1:{port}"),
            session: String::new(),
        };
        wait("the driver", || driver.ask("GET", "/status", None));
        let options = json!({ "binary": app, "args": [] });
        let capabilities =
            json!({ "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": options } } });
        let session = driver
            .ask("POST", "/session", Some(&capabilities))
            .expect("the example starts");
        let id = session["sessionId"].as_str().expect("a session has an id");
        driver.session = format!("/session/{id}");
        driver
    }

    /// Clicks what this CSS selector finds, as a person does.
    pub fn click(&self, selector: &str) {
        self.act(selector, "click", &json!({}));
    }

    /// Does that with what the selector finds, once it is there.
    pub fn act(&self, selector: &str, action: &str, body: &Value) {
        let by = json!({ "using": "css selector", "value": selector });
        let found = wait(selector, || self.post("element", &by));
        let element = found[ELEMENT].as_str().expect("an element has an id");
        self.post(&format!("element/{element}/{action}"), body)
            .expect("the element is there and lets it be done");
    }

    /// What a function's body returns in the page.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
            .expect("the script runs")
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, String> {
        self.ask("POST", &format!("{}/{what}", self.session), Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let url = format!("{}{path}", self.address);
        let answer = match (method, body) {
            ("POST", Some(body)) => agent
                .post(&url)
                .content_type("application/json")
                .send(body.to_string()),
            ("DELETE", _) => agent.delete(&url).call(),
            _ => agent.get(&url).call(),
        };
        let mut answer = answer.map_err(|error| format!("{path}: {error}"))?;
        let text = answer.body_mut().read_to_string();
        let text = text.map_err(|error| format!("{path}: {error}"))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| format!("{path}: {error}: {text}"))?;
        let value = value["value"].clone();
        if answer.status().is_success() {
            Ok(value)
        } else {
            Err(format!("{path}: {value}"))
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It ends the example. A driver that does not answer is ended all the same.
        let _ended = self.ask("DELETE", &self.session, None);
        let _killed = self.process.kill();
        let _status = self.process.wait();
    }
}

/// A port that was free just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
