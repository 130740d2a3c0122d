//! A paint tool in Tauri whose every command, event and window is traced by one line.

mod args;
mod commands;

use std::io::Write;
use std::process::ExitCode;

use tauri::{Listener, WebviewUrl, WebviewWindowBuilder};

use crate::args::{Args, USAGE, parse};

fn main() -> ExitCode {
    let Some(args) = parse(std::env::args().skip(1)) else {
        let _ = writeln!(std::io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "paint-tool: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> tauri::Result<()> {
    tauri::Builder::default()
        // The one line.
        .plugin(tauri_plugin_spanwire::init("paint-tool"))
        .invoke_handler(tauri::generate_handler![
            commands::open_drawing,
            commands::blur,
            commands::render,
            commands::save,
            commands::recolour,
            commands::invert,
            commands::stroke,
        ])
        .setup(move |app| {
            app.listen("brush-chosen", |event| {
                let _ = writeln!(std::io::stdout(), "brush: {}", event.payload());
            });
            let page = WebviewUrl::App("index.html".into());
            WebviewWindowBuilder::new(app, "main", page)
                .title("Paint tool")
                .inner_size(760.0, 520.0)
                .initialization_script(format!("window.DRIVE = {};", args.drive))
                .build()?;
            if let Some(time) = args.run_for {
                let app = app.handle().clone();
                std::thread::spawn(move || {
                    std::thread::sleep(time);
                    app.exit(0);
                });
            }
            Ok(())
        })
        .run(tauri::generate_context!())
}
