//! What the page gets, as Tauri writes it.

use tauri::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    CONTENT_TYPE,
};
use tauri::http::{HeaderValue, Response, StatusCode};
use tauri::ipc::{InvokeResponse, InvokeResponseBody};

// Tauri's script reads it: a command's error comes with status 200 too.
const TAURI_RESPONSE: &str = "Tauri-Response";
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// The response to a command.
pub(super) fn of(answer: InvokeResponse) -> Response<Vec<u8>> {
    let (outcome, content_type, body) = match answer {
        InvokeResponse::Ok(InvokeResponseBody::Json(text)) => ("ok", JSON, text.into_bytes()),
        InvokeResponse::Ok(InvokeResponseBody::Raw(bytes)) => ("ok", BYTES, bytes),
        // A JSON value is always text.
        InvokeResponse::Err(error) => ("error", JSON, error.0.to_string().into_bytes()),
    };
    let mut response = plain(StatusCode::OK, content_type, body);
    let outcome = HeaderValue::from_static(outcome);
    response.headers_mut().insert(TAURI_RESPONSE, outcome);
    response
}

/// The response to a report of the plugin's script.
pub(super) fn taken() -> Response<Vec<u8>> {
    with_origin(Response::new(Vec::new()))
}

/// The response to a request that is none.
pub(super) fn failed(why: &str) -> Response<Vec<u8>> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, TEXT, why.into())
}

pub(super) fn method_not_allowed() -> Response<Vec<u8>> {
    let why = "only POST and OPTIONS are allowed";
    plain(StatusCode::METHOD_NOT_ALLOWED, TEXT, why.into())
}

/// The response to what an engine asks before it sends headers to another origin.
pub(super) fn preflight() -> Response<Vec<u8>> {
    let mut response = with_origin(Response::new(Vec::new()));
    let any = HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_HEADERS, any);
    response
}

fn plain(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    with_origin(response)
}

/// Tauri lets any origin read the response, and checks who may call when it runs the command.
fn with_origin(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static(TAURI_RESPONSE);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}
