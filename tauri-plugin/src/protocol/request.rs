//! Reads a request of the page, as Tauri does.

use mime::Mime;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use spanwire::ipc::observe::PageTimes;
use tauri::Url;
use tauri::http::header::{CONTENT_TYPE, ORIGIN};
use tauri::http::{HeaderMap, HeaderValue, Request};
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::webview::InvokeRequest;

/// The page's time when it posted, which the plugin's script adds.
const PAGE_TIME: &str = "spanwire-page-time";

/// Reads it; the error is the text that Tauri answers with.
pub(super) fn read(request: Request<Vec<u8>>) -> Result<InvokeRequest, String> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let path = parts.uri.path();
    let cmd = percent_decode_str(path.strip_prefix('/').unwrap_or(path))
        .decode_utf8_lossy()
        .into_owned();
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

/// Takes out when the page called, by its clock: the command sees the headers that the page set.
pub(super) fn take_page_times(headers: &mut HeaderMap) -> Option<PageTimes> {
    let posted: f64 = headers.remove(PAGE_TIME)?.to_str().ok()?.parse().ok()?;
    Some(PageTimes {
        began: posted,
        posted,
    })
}
