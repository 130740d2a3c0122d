//! Which format a scraper asks for.
//!
//! Not by one of the crates that parse `Accept`: they are little used, and none knows that a
//! version that we do not speak is a different type.

use hyper::header::{ACCEPT, HeaderMap};

/// A format that `/metrics` is served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// Prometheus' plain text format, which everybody can read.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// OpenMetrics 0.0.1, its draft, which differs in nothing that we write. Prometheus before
    /// 2.34 knows no other.
    OpenMetricsDraft,
}

impl MediaType {
    /// The value of `Content-Type`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetricsDraft => "application/openmetrics-text; version=0.0.1; charset=utf-8",
        }
    }

    /// What the client would rather have, by
    /// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-accept).
    ///
    /// OpenMetrics is for those that ask for it by name, in a version that we speak, and want
    /// nothing else more. All others get plain text, even those that do not accept it: a scrape in
    /// a format that was not asked for beats none.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let mut preferences = Preferences::default();
        for value in headers.get_all(ACCEPT) {
            // A header may come several times, which means the same as one with commas. One that is
            // not ASCII says nothing.
            for range in split(value.to_str().unwrap_or_default(), ',') {
                preferences.add(range);
            }
        }
        preferences.best()
    }
}

/// How much each format is wanted, in thousandths.
#[derive(Debug, Default)]
struct Preferences {
    openmetrics: u16,
    draft: u16,
    /// By the most specific range that includes it: `*/*`, `text/*`, `text/plain` or that with its
    /// version.
    text: [Option<u16>; 4],
}

impl Preferences {
    /// Takes up one range of types; one that is malformed says nothing.
    fn add(&mut self, range: &str) {
        let mut parts = split(range, ';');
        let name = parts.next().unwrap_or_default().trim();
        let (mut version, mut weight) = (None, Some(WEIGHT_MAX));
        for parameter in parts {
            // A parameter that we do not know, such as Prometheus' `escaping`, does not make the
            // type another one.
            let Some((key, value)) = parameter.split_once('=') else {
                continue;
            };
            let (key, value) = (key.trim(), unquoted(value.trim()));
            if key.eq_ignore_ascii_case("q") {
                weight = thousandths(value);
            } else if key.eq_ignore_ascii_case("version") {
                version = Some(value);
            }
        }
        let Some(weight) = weight else { return };
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("application/openmetrics-text") {
            match version {
                // Without a version the client takes any, so it gets the standard's first stable
                // one.
                None | Some("1.0.0") => self.openmetrics = self.openmetrics.max(weight),
                Some("0.0.1") => self.draft = self.draft.max(weight),
                Some(_) => {}
            }
            return;
        }
        // The more specific the later: the weight of the most specific range that names plain text
        // holds.
        let place = match version {
            None if is("*/*") => 0,
            None if is("text/*") => 1,
            None if is("text/plain") => 2,
            Some("0.0.4") if is("text/plain") => 3,
            _ => return,
        };
        if let Some(wish) = self.text.get_mut(place) {
            *wish = (*wish).max(Some(weight));
        }
    }

    fn best(&self) -> MediaType {
        // From the most specific on. Without any range plain text has the weight 0 and still wins
        // over an OpenMetrics of 0, which means "not acceptable".
        let text = self.text.iter().rev().find_map(|wish| *wish).unwrap_or(0);
        match self.openmetrics.max(self.draft) {
            0 => MediaType::Text,
            // An equal weight is for OpenMetrics, since that has exemplars.
            weight if weight < text => MediaType::Text,
            // Wanted equally, the stable version goes first.
            _ if self.draft > self.openmetrics => MediaType::OpenMetricsDraft,
            _ => MediaType::OpenMetrics,
        }
    }
}

/// The parts between separators that are not within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    // Values may be quoted strings, in which separators and escaped quotes are plain characters.
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            _ => {}
        }
        c == separator && !quoted
    })
}

fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value)
}

/// A weight: 0 or 1, with at most three digits after the point, and not above 1.
fn thousandths(weight: &str) -> Option<u16> {
    // The grammar is stricter than that of `f64`, which would take `inf`, `1e0` and `+0.5`.
    let (whole, rest) = weight.split_once('.').unwrap_or((weight, ""));
    let is_short = rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    if !is_short || !matches!(whole, "0" | "1") {
        return None;
    }
    let thousandths = format!("{whole}{rest:0<3}").parse().ok()?;
    (thousandths <= WEIGHT_MAX).then_some(thousandths)
}

const WEIGHT_MAX: u16 = 1_000;

#[cfg(test)]
mod tests {
    use super::MediaType::{OpenMetrics, OpenMetricsDraft, Text};
    use super::*;

    fn check(accept: &[&'static str], expected: MediaType) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        assert_eq!(MediaType::accepted(&headers), expected, "{accept:?}");
    }

    #[test]
    fn each_generation_of_prometheus_gets_what_it_likes_best() {
        check(
            &[
                "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ],
            OpenMetricsDraft,
        );
        check(
            &["application/openmetrics-text;version=1.0.0,\
               application/openmetrics-text;version=0.0.1;q=0.75,\
               text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
            OpenMetrics,
        );
        check(
            &[
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
               encoding=delimited;q=0.7,\
               application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
               application/openmetrics-text;version=0.0.1;q=0.5,\
               text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
               text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ],
            OpenMetrics,
        );
        // `scrape_protocols: [PrometheusText0.0.4]`, and with OpenMetrics as the second choice.
        check(&["text/plain;version=0.0.4;q=0.6,*/*;q=0.5"], Text);
        check(
            &["text/plain;version=0.0.4;q=0.6,\
               application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"],
            Text,
        );
    }

    #[test]
    fn whoever_does_not_ask_for_openmetrics_gets_plain_text() {
        check(&[], Text);
        check(&[""], Text);
        check(&["*/*"], Text);
        check(&["application/*"], Text);
        check(
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            Text,
        );
        check(&["application/json"], Text);
        check(&["application/openmetrics-text-not"], Text);
        check(&["x-application/openmetrics-text"], Text);
    }

    #[test]
    fn a_version_that_we_do_not_speak_is_another_type() {
        check(&["application/openmetrics-text;version=2.0.0"], Text);
        check(
            &["application/openmetrics-text; version=1.0.0"],
            OpenMetrics,
        );
        check(&["application/openmetrics-text"], OpenMetrics);
        check(
            &[
                "application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=0.0.1;q=0.2",
            ],
            OpenMetricsDraft,
        );
        // The best that the client says of plain text is of a version that is not ours.
        check(
            &["application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=1.0.0;q=0.9"],
            OpenMetrics,
        );
    }

    #[test]
    fn weights_decide_and_the_more_specific_range_holds() {
        let all = "application/openmetrics-text";
        check(&["application/openmetrics-text;q=0"], Text);
        check(&["application/openmetrics-text;q=0.001"], OpenMetrics);
        check(&["text/plain", all], OpenMetrics);
        check(&["text/plain,application/openmetrics-text;q=0.999"], Text);
        check(&["*/*, application/openmetrics-text;q=0.9"], Text);
        check(
            &["*/*, text/plain;q=0.5, application/openmetrics-text;q=0.9"],
            OpenMetrics,
        );
        check(
            &[
                "text/plain;q=0.9, text/plain;version=0.0.4;q=0.1, application/openmetrics-text;q=0.5",
            ],
            OpenMetrics,
        );
        check(
            &["text/*;q=0.9, */*;q=0.1, application/openmetrics-text;q=0.5"],
            Text,
        );
    }

    #[test]
    fn case_blanks_and_quotes_make_no_difference() {
        check(
            &["Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.5"],
            OpenMetrics,
        );
        check(
            &["text/plain;note=\"a, application/openmetrics-text;q=1, \\\" b\";q=0.5"],
            Text,
        );
        check(
            &["text/plain;note=\"\\\"\", application/openmetrics-text"],
            OpenMetrics,
        );
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for weight in [
            "", "x", "2", "1.001", "0.5000", "-1", "+1", "0,5", ".5", "1e0", "NaN",
        ] {
            check(
                &[leak(format!("application/openmetrics-text;q={weight}"))],
                Text,
            );
        }
        check(&[",;=,,application/openmetrics-text;;q=0.5;x"], OpenMetrics);
        let mut headers = HeaderMap::new();
        headers.append(
            ACCEPT,
            hyper::header::HeaderValue::from_bytes(b"\xff").unwrap(),
        );
        assert_eq!(MediaType::accepted(&headers), Text);
    }

    fn leak(text: String) -> &'static str {
        Box::leak(text.into_boxed_str())
    }
}
