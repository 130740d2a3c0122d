//! The traces that Jaeger has.

use serde_json::Value;

use crate::http::get;

const API: &str = "http://127.0.0.1:16686/api";

/// A span as Jaeger tells it.
#[derive(Debug)]
pub struct Span {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub parent: Option<String>,
}

#[derive(Debug)]
pub struct Trace {
    pub spans: Vec<Span>,
}

impl Trace {
    pub fn find(&self, name: &str, kind: &str) -> Option<&Span> {
        let is_it = |span: &&Span| span.name == name && span.kind == kind;
        self.spans.iter().find(is_it)
    }

    pub fn child(&self, of: &Span, name: &str, kind: &str) -> Option<&Span> {
        let is_it = |span: &&Span| {
            span.parent.as_ref() == Some(&of.id) && span.name == name && span.kind == kind
        };
        self.spans.iter().find(is_it)
    }
}

/// The latest traces that have a span of this name.
pub fn with_span(name: &str) -> Result<Vec<Trace>, String> {
    let parameters = [
        ("service", "spanwire-demo"),
        ("operation", name),
        ("limit", "50"),
        ("lookback", "1h"),
    ];
    traces(&get(&format!("{API}/traces"), &parameters)?)
}

/// A trace that began between two times, in seconds.
pub fn between(from: f64, to: f64) -> Result<Trace, String> {
    let micros = |seconds: f64| format!("{:.0}", seconds * 1e6);
    let (from, to) = (micros(from), micros(to));
    let parameters = [
        ("service", "spanwire-demo"),
        ("start", &from),
        ("end", &to),
        ("limit", "5"),
    ];
    let found = traces(&get(&format!("{API}/traces"), &parameters)?)?;
    found
        .into_iter()
        .next()
        .ok_or(format!("none from {from} to {to}"))
}

pub fn by_id(id: &str) -> Result<Trace, String> {
    let found = traces(&get(&format!("{API}/traces/{id}"), &[])?)?;
    found.into_iter().next().ok_or(format!("no trace {id}"))
}

fn traces(answer: &Value) -> Result<Vec<Trace>, String> {
    let data = answer["data"].as_array().ok_or("no data")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let span = |span: &Value| {
        let tags = span["tags"].as_array();
        let kind = tags
            .into_iter()
            .flatten()
            .find(|tag| tag["key"] == "span.kind");
        let parents = span["references"].as_array();
        let parent = parents
            .into_iter()
            .flatten()
            .find(|reference| reference["refType"] == "CHILD_OF");
        Span {
            id: text(&span["spanID"]),
            name: text(&span["operationName"]),
            kind: kind.map_or("internal".to_owned(), |tag| text(&tag["value"])),
            parent: parent.map(|parent| text(&parent["spanID"])),
        }
    };
    Ok(data
        .iter()
        .map(|trace| Trace {
            spans: trace["spans"]
                .as_array()
                .into_iter()
                .flatten()
                .map(span)
                .collect(),
        })
        .collect())
}
