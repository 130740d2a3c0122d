//! Questions over HTTP: each has little time, and an answer little room.

use std::io;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Request, Uri, header};
use serde_json::Value;
use ureq::Agent;

use crate::clock::{Clock, Stamp, now};
use crate::telemetry::doctor::{Connection, Proxy, agent};

/// A connection to one server.
pub(super) struct Web {
    base: Uri,
    agent: Agent,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// No question is asked after this.
    until: Stamp,
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: String,
    pub(super) body: Vec<u8>,
    pub(super) ahead: Option<Ahead>,
}

/// Why there is no answer, or none of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Refused,
    Timeout,
    UnknownHost,
    /// Something is there that speaks otherwise.
    NotHttp(String),
    Tls(String),
    TooLarge,
    Other(String),
    /// It answered, with this status, and not what was asked for.
    Strange(u16),
}

/// By how many seconds a server's clock is ahead of ours: between the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ahead {
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Web {
    pub(super) fn new(base: &Uri, until: Stamp) -> Self {
        let connection = Connection {
            headers: Vec::new(),
            timeout: QUESTION_TIME_MAX,
            tls: Default::default(),
            proxy: Proxy::before(base),
        };
        Self::over(&connection, base, until)
    }

    /// Over a connection as the exporter has it.
    pub(super) fn over(connection: &Connection, base: &Uri, until: Stamp) -> Self {
        Self {
            base: base.clone(),
            agent: agent(connection, base),
            headers: connection.headers.clone(),
            until,
        }
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, Trouble> {
        self.get_with(path, "")
    }

    /// With a query that is encoded already.
    fn get_with(&self, path: &str, query: &str) -> Result<Answer, Trouble> {
        let base = self.base.to_string();
        let base = base.split('?').next().unwrap_or_default();
        let url = format!("{}{path}{query}", base.trim_end_matches('/'));
        self.ask(Request::get(url), Vec::new())
    }

    /// What is at the address itself.
    pub(super) fn get_here(&self) -> Result<Answer, Trouble> {
        self.ask(Request::get(self.base.clone()), Vec::new())
    }

    /// An empty message of protocol buffers.
    pub(super) fn post_nothing(&self) -> Result<Answer, Trouble> {
        let request =
            Request::post(self.base.clone()).header(header::CONTENT_TYPE, "application/x-protobuf");
        self.ask(request, Vec::new())
    }

    /// JSON, which only a 200 brings.
    pub(super) fn json(&self, path: &str) -> Result<(Value, Answer), Trouble> {
        self.json_with(path, &[])
    }

    pub(super) fn json_with(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<(Value, Answer), Trouble> {
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let query = match query.is_empty() {
            true => String::new(),
            false => format!("?{}", query.join("&")),
        };
        let answer = self.get_with(path, &query)?;
        let value = serde_json::from_slice(&answer.body);
        match (answer.status, value) {
            (200, Ok(value)) => Ok((value, answer)),
            (status, _) => Err(Trouble::Strange(status)),
        }
    }

    fn ask(&self, request: http::request::Builder, body: Vec<u8>) -> Result<Answer, Trouble> {
        let left = self.until.since(now()).min(QUESTION_TIME_MAX);
        if left.is_zero() {
            return Err(Trouble::Timeout);
        }
        let mut request = request
            .body(body)
            .map_err(|error| Trouble::Other(error.to_string()))?;
        let agent_name = concat!("spanwire-doctor/", env!("CARGO_PKG_VERSION"));
        let agent_name = HeaderValue::from_static(agent_name);
        request.headers_mut().insert(header::USER_AGENT, agent_name);
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(Some(left))
            .build();
        let sent = wall();
        let mut response = self.agent.run(request).map_err(trouble)?;
        let received = wall();
        let text = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let date = text(header::DATE).and_then(|date| httpdate::parse_http_date(&date).ok());
        Ok(Answer {
            status: response.status().as_u16(),
            media_type: text(header::CONTENT_TYPE).unwrap_or_default(),
            ahead: date.map(|date| Ahead::by_date(date, sent, received)),
            body: response
                .body_mut()
                .with_config()
                .limit(ANSWER_BYTES_MAX)
                .read_to_vec()
                .map_err(trouble)?,
        })
    }
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Trouble {
    /// In words that come after "`url` ".
    pub(super) fn says(&self) -> String {
        match self {
            Self::Refused => "nothing listens there".into(),
            Self::Timeout => "no answer in time".into(),
            Self::UnknownHost => "its host is unknown".into(),
            Self::NotHttp(how) => format!("what is there does not speak HTTP/1.1 ({how})"),
            Self::Tls(how) => format!("TLS failed ({how})"),
            Self::TooLarge => "the answer is larger than 16 MiB".into(),
            Self::Other(how) => how.clone(),
            Self::Strange(status) => format!("something else answers there (HTTP {status})"),
        }
    }
}

impl Ahead {
    /// A `Date` has whole seconds, and was written at some time between the two.
    fn by_date(date: SystemTime, sent: SystemTime, received: SystemTime) -> Self {
        Self::between(
            seconds(date),
            seconds(date) + 1.0,
            seconds(sent),
            seconds(received),
        )
    }

    /// A server whose clock was between `least` and `most` some time between `sent` and `received`.
    pub(super) fn between(least: f64, most: f64, sent: f64, received: f64) -> Self {
        Self {
            least: least - received,
            most: most - sent,
        }
    }

    /// What it is off by at the least, negative when it is behind.
    pub(super) fn certain(self) -> f64 {
        if self.least > 0.0 {
            self.least
        } else if self.most < 0.0 {
            self.most
        } else {
            0.0
        }
    }
}

pub(super) fn wall() -> SystemTime {
    let clock = Clock::system();
    clock.wall(clock.now())
}

/// Seconds since 1970; a time before counts as 1970.
pub(super) fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn trouble(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Timeout(_) => Trouble::Timeout,
        ureq::Error::HostNotFound => Trouble::UnknownHost,
        ureq::Error::Protocol(error) => Trouble::NotHttp(error.to_string()),
        ureq::Error::Rustls(error) => Trouble::Tls(error.to_string()),
        ureq::Error::BodyExceedsLimit(_) => Trouble::TooLarge,
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Trouble::Refused,
            io::ErrorKind::TimedOut => Trouble::Timeout,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => {
                Trouble::NotHttp("the connection was closed".into())
            }
            _ => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(error) => Trouble::Tls(rustls::Error::to_string(error)),
                None => Trouble::Other(error.to_string()),
            },
        },
        other => Trouble::Other(other.to_string()),
    }
}

const QUESTION_TIME_MAX: Duration = Duration::from_secs(2);
/// An app with all the series that the caps allow has some megabytes of metrics.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_no_more_than_is_certain() {
        // Sent at 100.0, answered at 100.4: its Date may have been written anywhere in between.
        let by = |date: f64| Ahead::between(date, date + 1.0, 100.0, 100.4).certain();
        assert_eq!(by(100.0), 0.0);
        assert_eq!(by(99.0), 0.0);
        assert!((by(110.0) - 9.6).abs() < 1e-6);
        assert!((by(90.0) + 9.0).abs() < 1e-6);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encoded("up{a=\"é\"}"), "up%7Ba%3D%22%C3%A9%22%7D");
    }
}
