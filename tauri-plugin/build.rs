//! Makes the permissions of the plugin's commands.

fn main() {
    tauri_plugin::Builder::new(&["consent", "set_consent", "save_report"]).build();
}
