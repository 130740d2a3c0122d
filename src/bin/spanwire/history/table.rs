//! Columns that stand below each other.

use std::io::{self, Write};

/// Rows of text; a column whose heading begins with `>` stands at the right.
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it without the columns in which nothing stands.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let heading = |column: usize| self.headings[column].trim_start_matches('>');
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let mut columns = Vec::new();
        for column in 0..self.headings.len() {
            let widths = self
                .rows
                .iter()
                // Characters and not bytes: `µs` has three bytes.
                .map(|row| cell(row, column).chars().count());
            let width = widths.max().unwrap_or(0);
            // Such as `webview` in an app without one.
            if width > 0 {
                columns.push((column, width.max(heading(column).chars().count())));
            }
        }
        let headings: Vec<String> = (0..self.headings.len())
            .map(|at| heading(at).into())
            .collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (column, width) in &columns {
                let text = cell(row, *column);
                if !line.is_empty() {
                    line += "  ";
                }
                line += &if self.headings[*column].starts_with('>') {
                    format!("{text:>width$}")
                } else {
                    format!("{text:<width$}")
                };
            }
            // The last column would be padded as well.
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new(&["name", "webview", ">count"]);
        table.row(["größe", "", "1"].map(str::to_owned));
        table.row(["a", "", "1,000"].map(str::to_owned));
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "name   count\ngröße      1\na      1,000\n");
    }
}
