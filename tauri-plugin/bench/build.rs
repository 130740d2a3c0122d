//! Reads what the app's page may do.

fn main() {
    tauri_build::build();
}
