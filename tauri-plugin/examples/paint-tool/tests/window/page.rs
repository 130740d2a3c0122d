//! The example's page, used by clicks.

use crate::driver::Driver;
use crate::patience::wait;

/// Clicks a command's button, and waits until the page says what came of it.
pub fn click(driver: &Driver, command: &str) {
    let before = lines(driver).len();
    driver.click(&format!("button[data-command={command}]"));
    wait(command, || match lines(driver) {
        lines if lines.len() > before => Ok(()),
        lines => Err(format!("{lines:?}")),
    });
}

/// What the page says of its last commands, the newest first; it keeps five.
pub fn lines(driver: &Driver) -> Vec<String> {
    let lines =
        driver.run("return [...document.querySelectorAll('ol li')].map((li) => li.textContent);");
    let lines = lines.as_array().expect("a list");
    let text = |line: &serde_json::Value| line.as_str().expect("a text").to_owned();
    lines.iter().map(text).collect()
}
