//! The script that the plugin adds to each page.

use spanwire::ipc::observe::PageScript;

/// What the page's code may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PageApi {
    /// Nothing: the page does not see that it is measured.
    #[default]
    Hidden,
    /// `window.spanwire`, with `trace`, `record` and `flush`.
    Global,
}

/// The script with its adapter.
pub(crate) fn text(script: &PageScript, api: PageApi) -> String {
    // The file is a statement that ends in `;`. Here it is an expression, which is called.
    let adapter = include_str!("page.js").trim_end().trim_end_matches(';');
    let expression = script.expression();
    let is_global = api == PageApi::Global;
    format!("({adapter})({expression}, {{ spanwireIsGlobal: {is_global} }});")
}

/// Runs in front of Tauri's own script, which then leaves `invoke` for us to wrap.
// Tauri appends such texts to each other without a separator, hence the `;` at both ends.
pub(crate) const LETS_INVOKE_BE_WRAPPED: &str = ";Object.defineProperty(window.__TAURI_INTERNALS__, \
     \"invoke\", { value: undefined, writable: true, configurable: true });";
