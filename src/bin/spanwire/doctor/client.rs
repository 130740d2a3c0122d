//! HTTP requests of the doctor's: each has a time limit, and its answer a size limit.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Request, Uri, header};
use serde_json::Value;
use spanwire::clock::{Clock, Stamp, now};
use ureq::Agent;

use super::connection::Connection;
use super::probe_error::ProbeError;
use super::targets::Target;

/// A client for one server.
pub(super) struct HttpClient {
    base: Uri,
    agent: Agent,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// No request is sent after this.
    deadline: Stamp,
    /// How long one may take.
    request_time_max: Duration,
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: String,
    pub(super) body: Vec<u8>,
    pub(super) clock_skew: Option<ClockSkew>,
}

/// By how many seconds a server's clock is ahead of this machine's: between the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockSkew {
    pub(super) least: f64,
    pub(super) most: f64,
}

impl HttpClient {
    pub(super) fn new(target: &Target, deadline: Stamp) -> Self {
        Self::over(&target.connection, &target.url, deadline)
    }

    /// For a server on this machine, to which no proxy leads.
    pub(super) fn local(base: &Uri, deadline: Stamp) -> Self {
        Self::over(&Connection::default(), base, deadline)
    }

    fn over(connection: &Connection, base: &Uri, deadline: Stamp) -> Self {
        Self {
            base: base.clone(),
            agent: connection.agent(base),
            headers: connection.headers.clone(),
            deadline,
            request_time_max: REQUEST_TIME_MAX,
        }
    }

    /// The same for questions that take a server a while.
    pub(super) fn patient(self) -> Self {
        Self {
            request_time_max: PATIENT_TIME_MAX,
            ..self
        }
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer, ProbeError> {
        self.get_with(path, "")
    }

    /// With a query that is encoded already.
    fn get_with(&self, path: &str, query: &str) -> Result<Answer, ProbeError> {
        let base = self.base.to_string();
        // The URL of a flag may have a query, which belongs to that URL alone.
        let base = base.split('?').next().unwrap_or_default();
        let url = format!("{}{path}{query}", base.trim_end_matches('/'));
        self.send(Request::get(url), Vec::new())
    }

    /// What is at the target's own URL.
    pub(super) fn get_base(&self) -> Result<Answer, ProbeError> {
        self.send(Request::get(self.base.clone()), Vec::new())
    }

    /// An export request with nothing in it, as the exporters encode it.
    pub(super) fn post_empty_message(&self) -> Result<Answer, ProbeError> {
        let request =
            Request::post(self.base.clone()).header(header::CONTENT_TYPE, "application/x-protobuf");
        self.send(request, Vec::new())
    }

    /// JSON, which only a 200 brings.
    pub(super) fn json(&self, path: &str) -> Result<(Value, Answer), ProbeError> {
        self.json_with(path, &[])
    }

    pub(super) fn json_with(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<(Value, Answer), ProbeError> {
        // PromQL has `{`, `"` and `+`, which a URL cannot have as they are.
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
            // A captive portal or a proxy also answers 200, with a page.
            (200, Ok(value)) => Ok((value, answer)),
            (status, _) => Err(ProbeError::UnexpectedResponse(status)),
        }
    }

    fn send(&self, request: http::request::Builder, body: Vec<u8>) -> Result<Answer, ProbeError> {
        // The deadline is for all requests to this server: slow answers in a row do not add up.
        let left = self.deadline.since(now()).min(self.request_time_max);
        // Where `ureq` waits, it makes a second of a time limit of zero.
        if left.is_zero() {
            return Err(ProbeError::Timeout);
        }
        let mut request = request
            .body(body)
            .map_err(|error| ProbeError::Other(error.to_string()))?;
        let agent_name = concat!("spanwire-doctor/", env!("CARGO_PKG_VERSION"));
        let agent_name = HeaderValue::from_static(agent_name);
        request.headers_mut().insert(header::USER_AGENT, agent_name);
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let request = self
            .agent
            .configure_request(request)
            // Over all: the name, the connection, TLS and the whole body.
            .timeout_global(Some(left))
            .build();
        // Around the request alone, since the skew is known to within this time.
        let sent = wall();
        let mut response = self.agent.run(request).map_err(ProbeError::from)?;
        let received = wall();
        let text = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let date = text(header::DATE).and_then(|date| httpdate::parse_http_date(&date).ok());
        Ok(Answer {
            status: response.status().as_u16(),
            media_type: text(header::CONTENT_TYPE).unwrap_or_default(),
            clock_skew: date.map(|date| ClockSkew::by_date(date, sent, received)),
            body: response
                .body_mut()
                .with_config()
                // Another program may have the port, and send without end.
                .limit(ANSWER_BYTES_MAX)
                .read_to_vec()
                .map_err(ProbeError::from)?,
        })
    }
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl ClockSkew {
    /// A `Date` has whole seconds, and was written at some time between the two.
    fn by_date(date: SystemTime, sent: SystemTime, received: SystemTime) -> Self {
        Self::between(
            seconds(date),
            // The header cuts the fraction off, so the clock may have been up to a second further.
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
            // The interval holds zero: the clocks may agree.
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

// A healthy server on this machine answers in milliseconds. `dashboard` shows its panel after it.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(2);
/// A rate over a day, asked of a Prometheus that is busy with others.
const PATIENT_TIME_MAX: Duration = Duration::from_secs(20);
/// An app with all the series that the caps allow has some megabytes of metrics.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_no_more_than_is_certain() {
        // Sent at 100.0, answered at 100.4: its Date may have been written anywhere in between.
        let by = |date: f64| ClockSkew::between(date, date + 1.0, 100.0, 100.4).certain();
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
