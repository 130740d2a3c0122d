//! Observes a message layer that Spanwire did not write: the JSON-RPC of the crate `lsp-server`,
//! between an editor and a language server on two threads. One trace crosses it.
//!
//! Run with `cargo run --example observe`; set `OTEL_EXPORTER_OTLP_ENDPOINT` to see the traces.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::thread;

use lsp_server::{Connection, Message, Notification, Request, Response};
use opentelemetry::trace::TraceContextExt;
use serde_json::{Value, json};
use spanwire::ipc::observe::Observer;
use spanwire::semconv::ErrorType;
use spanwire::telemetry::Telemetry;
use tracing::info_span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The server's loop, as it would be without Spanwire but for the lines that name the observer.
fn serve(connection: &Connection, observer: &Observer) -> Result<(), Failure> {
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                let mut handling = observer
                    .call(&request.method)
                    .size(request.params.to_string().len())
                    .traceparent(request.params["traceparent"].as_str())
                    .begin();
                let response = handling.in_scope(|| answer(&request));
                let outcome = match &response.response_result {
                    Ok(_) => Ok(()),
                    Err(_) => Err(ErrorType::HandlerError),
                };
                let bytes = serde_json::to_string(&response)?.len();
                let reply = handling.reply(outcome, bytes);
                connection.sender.send(Message::Response(response))?;
                // `lsp-server` does not say when the editor has read it.
                reply.handed_over();
            }
            Message::Notification(notification) if notification.method == "exit" => break,
            Message::Notification(notification) => {
                let bytes = notification.params.to_string().len();
                let event = observer.event(&notification.method).size(bytes);
                event.begin().end(Ok(()));
            }
            Message::Response(_) => {}
        }
    }
    Ok(())
}

fn answer(request: &Request) -> Response {
    let _parse = info_span!("parse").entered();
    match &*request.method {
        "textDocument/hover" => Response::new_ok(request.id.clone(), "fn main()"),
        method => Response::new_err(request.id.clone(), -32601, format!("no {method}")),
    }
}

fn main() -> Result<(), Failure> {
    let telemetry = Telemetry::builder("observe").install()?;
    let (server, editor) = Connection::memory();
    let observer = Observer::builder("editor").build();
    let served = thread::spawn({
        let observer = observer.clone();
        move || serve(&server, &observer)
    });

    for (id, method) in ["textDocument/hover", "textDocument/rename"]
        .into_iter()
        .enumerate()
    {
        let click = info_span!("click").entered();
        let params = json!({ "line": 4, "traceparent": traceparent(&click) });
        let request = Request::new(id.to_string().into(), method.to_owned(), params);
        editor.sender.send(request.into())?;
        println!("{method}: {:?}", editor.receiver.recv()?);
    }
    let saved = Notification::new("textDocument/didSave".to_owned(), Value::Null);
    editor.sender.send(saved.into())?;
    let exit = Notification::new("exit".to_owned(), Value::Null);
    editor.sender.send(exit.into())?;
    served.join().map_err(|_| "the server panicked")??;

    println!("{}", observer.metrics());
    println!("{}", telemetry.shutdown(std::time::Duration::from_secs(5)));
    Ok(())
}

/// The span as W3C Trace Context writes it; `None` while no traces are sent.
fn traceparent(span: &tracing::Span) -> Option<String> {
    let context = span.context();
    let span = context.span().span_context().clone();
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    span.is_valid()
        .then(|| format!("00-{trace}-{id}-{flags:02x}"))
}
