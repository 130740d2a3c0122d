//! Reads what the app's pages may do.

fn main() {
    tauri_build::build();
}
