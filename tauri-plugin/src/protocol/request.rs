//! Reads a request of the page, as Tauri does.

use mime::Mime;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tauri::Url;
use tauri::http::header::{CONTENT_TYPE, ORIGIN};
use tauri::http::{HeaderMap, HeaderValue, Request, Uri};
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::webview::InvokeRequest;

/// What the plugin's script adds to a call.
const PAGE_CALL: &str = "spanwire-call";

/// Reads it; the error is the text that Tauri answers with.
pub(super) fn read(request: Request<Vec<u8>>) -> Result<InvokeRequest, String> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let cmd = command(&parts.uri);
    let content_type = content_type(&headers)?;
    let invoke_key = required(&headers, "Tauri-Invoke-Key")?
        .to_str()
        .map_err(|_| "Tauri invoke key header value must be a string")?
        .to_owned();
    let origin = headers
        .get(ORIGIN)
        .ok_or("missing Origin header")?
        .to_str()
        .map_err(|_| "Origin header value must be a string")?;
    let url = Url::parse(origin).map_err(|_| "Origin header is not a valid URL")?;
    let callback = callback_fn(&headers, "Tauri-Callback", "Tauri callback")?;
    let error = callback_fn(&headers, "Tauri-Error", "Tauri error")?;
    let body = read_body(&content_type, body)?;
    Ok(InvokeRequest {
        cmd,
        callback,
        error,
        url,
        body,
        headers,
        invoke_key,
    })
}

/// The command that an address names.
pub(super) fn command(address: &Uri) -> String {
    let path = address.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    // A page encodes the `|` of `plugin:fs|read_file`, for one.
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn content_type(headers: &HeaderMap) -> Result<Mime, String> {
    match header(headers, CONTENT_TYPE.as_str()) {
        Some(text) => text.parse().map_err(|_| "unknown content type".to_owned()),
        None => Ok(mime::APPLICATION_OCTET_STREAM),
    }
}

fn required<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a HeaderValue, String> {
    headers
        .get(name)
        .ok_or_else(|| format!("missing {name} header"))
}

fn callback_fn(headers: &HeaderMap, name: &str, what: &str) -> Result<CallbackFn, String> {
    required(headers, name)?
        .to_str()
        .map_err(|_| format!("{what} header value must be a string"))?
        .parse()
        .map(CallbackFn)
        .map_err(|_| format!("{what} header value must be a numeric string"))
}

fn read_body(content_type: &Mime, body: Vec<u8>) -> Result<InvokeBody, String> {
    // Whole types are compared, as Tauri does: a `charset` makes the request one that is refused.
    if *content_type == mime::APPLICATION_OCTET_STREAM {
        Ok(InvokeBody::Raw(body))
    } else if *content_type != mime::APPLICATION_JSON {
        Err(format!("content type {content_type} is not implemented"))
    } else if body.is_empty() {
        // Some platforms hand no body over.
        Ok(InvokeBody::Json(Value::Object(Map::new())))
    } else {
        serde_json::from_slice(&body)
            .map(InvokeBody::Json)
            .map_err(|error| error.to_string())
    }
}

/// A header's value, if it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Takes out what the page's script says of the call: the command sees the headers that the page set.
pub(super) fn take_page_call(headers: &mut HeaderMap) -> Option<String> {
    let call = headers.remove(PAGE_CALL)?;
    call.to_str().ok().map(str::to_owned)
}
