//! What a page script proves itself with.

/// 128 unguessable bits, as text.
pub(super) fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness from the system there is no safe wire, and it is there on every platform
    // that has a webview.
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
