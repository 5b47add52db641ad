//! Text tables with columns as wide as their widest cell.

use std::fmt::Write as _;

/// Rows of cells; the last column is not padded.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The table as text, each line after a prefix that the row's position chooses.
    pub(crate) fn render(&self, legend: bool, prefix: impl Fn(Option<usize>) -> String) -> String {
        let header: Vec<String> = self.header.iter().map(|h| (*h).to_owned()).collect();
        let mut widths = vec![0; self.header.len()];
        for row in self.rows.iter().chain(legend.then_some(&header)) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        let mut line = |at: Option<usize>, row: &[String]| {
            let mut text = prefix(at);
            for (number, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if number + 1 == row.len() {
                    text.push_str(cell);
                } else {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{cell:<width$} ");
                }
            }
            out.push_str(text.trim_end_matches(' '));
            out.push('\n');
        };
        if legend {
            line(None, &header);
        }
        for (at, row) in self.rows.iter().enumerate() {
            line(Some(at), row);
        }
        out
    }
}

/// Cut to a width with an ellipsis.
pub(crate) fn cut(text: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if text.chars().count() > width => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_the_last_is_not_padded() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(vec!["xyz".into(), "1".into()]);
        table.row(vec!["x".into(), String::new()]);
        assert_eq!(
            table.render(true, |_| "  ".into()),
            "  A   LONG\n  xyz 1\n  x\n"
        );
        assert_eq!(cut("abcdef", Some(4)), "abc…");
    }
}
