// What each call goes through before Tauri encrypts it; this app changes none.
window.__TAURI_ISOLATION_HOOK__ = (payload) => payload;
