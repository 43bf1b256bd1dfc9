//! Tables: columns two spaces apart, nothing cut, nothing wrapped, no trailing
//! blanks.
//!
//! A row is a line of text with a tab between cells, as Go's `text/tabwriter`
//! takes it. A large table is that text and little else until it is written: a
//! string for each cell would take more time than all the rest.

use std::fmt::{self, Display};

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Arranged, Width, presets};
use unicode_width::UnicodeWidthStr;

use super::Out;
use crate::parallel;

/// So many rows are worth a thread.
const PIECE: usize = 1024;

const PADDING: u16 = 2;

/// Rows whose cells stand below each other.
pub(in crate::cli) struct Table {
    /// A row, or none.
    header: String,
    /// Rows, some in each.
    pieces: Vec<String>,
    /// Of the columns.
    widths: Vec<usize>,
    /// As many as the widest column has, and as stand between two.
    blanks: String,
}

impl Table {
    /// A row for each item, as `append` adds it to a text, under a header.
    pub(in crate::cli) fn new<T: Sync>(
        header: Option<&[&str]>,
        items: &[T],
        append: impl Fn(&mut String, &T) -> anyhow::Result<()> + Send + Sync,
    ) -> anyhow::Result<Self> {
        let header = header.map(|titles| titles.join("\t") + "\n");
        let header = header.unwrap_or_default();
        let mut widths = widest(&header);
        let mut pieces = Vec::new();
        for made in parallel::map_slices(items, PIECE, |items| -> anyhow::Result<_> {
            let mut rows = String::new();
            items.iter().try_for_each(|item| append(&mut rows, item))?;
            let widths = widest(&rows);
            Ok((rows, widths))
        }) {
            let (rows, found) = made?;
            pieces.push(rows);
            widen(&mut widths, found);
        }
        let widest = widths.iter().max().copied().unwrap_or_default();
        Ok(Table {
            header,
            pieces,
            widths,
            blanks: " ".repeat(widest + usize::from(PADDING)),
        })
    }

    /// Prints the rows.
    pub(in crate::cli) fn print(&self, out: &mut Out) -> anyhow::Result<()> {
        let mut text = String::new();
        self.lay_out(&mut text, &self.header);
        out.write(&text)?;
        out.pieces(&self.pieces, |text, rows| {
            self.lay_out(text, rows);
            Ok(())
        })
    }

    /// Appends rows as lines. Where each character takes one column, they only
    /// have to be filled up; comfy-table, which knows the others, takes much
    /// longer for that.
    fn lay_out(&self, text: &mut String, rows: &str) {
        if rows.is_ascii() {
            self.fill(text, rows);
        } else {
            self.arrange(text, rows);
        }
    }

    /// Fills cells up to the widths of their columns. Each byte takes one column.
    fn fill(&self, text: &mut String, rows: &str) {
        for row in rows.lines() {
            for (cell, width) in row.split('\t').zip(&self.widths) {
                text.push_str(cell);
                text.push_str(&self.blanks[..width - cell.len() + usize::from(PADDING)]);
            }
            end_line(text);
        }
    }

    /// As [`fill`](Self::fill), whatever a character takes.
    fn arrange(&self, text: &mut String, rows: &str) {
        let mut table = Arranged::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.add_rows(rows.lines().map(|row| row.split('\t')));
        for (column, &width) in table.column_iter_mut().zip(&self.widths) {
            column.set_padding((0, PADDING));
            let width = u16::try_from(width).unwrap_or(u16::MAX);
            let width = Width::Fixed(width.saturating_add(PADDING));
            column.set_constraint(ColumnConstraint::Absolute(width));
        }
        for line in table.lines() {
            text.push_str(&line);
            end_line(text);
        }
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for rows in [&self.header].into_iter().chain(&self.pieces) {
            self.lay_out(&mut text, rows);
        }
        f.write_str(&text)
    }
}

/// The width of each column of these rows.
fn widest(rows: &str) -> Vec<usize> {
    let mut widths = Vec::new();
    let is_ascii = rows.is_ascii();
    for row in rows.lines() {
        let width = |cell: &str| if is_ascii { cell.len() } else { cell.width() };
        widen(&mut widths, row.split('\t').map(width));
    }
    widths
}

fn widen(widths: &mut Vec<usize>, found: impl IntoIterator<Item = usize>) {
    for (index, width) in found.into_iter().enumerate() {
        match widths.get_mut(index) {
            Some(widest) => *widest = width.max(*widest),
            // comfy-table knows no narrower column.
            None => widths.push(width.max(1)),
        }
    }
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(header: Option<&[&str]>, rows: &[&str]) -> Table {
        Table::new(header, rows, |text, row| {
            text.push_str(row);
            text.push('\n');
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn columns_are_aligned_by_width_and_lines_have_no_trailing_blanks() {
        let header: &[&str] = &["NAME", "TAG"];
        assert_eq!(
            table(Some(header), &["日本\tx", "abcdefg\t"]).to_string(),
            "NAME     TAG\n日本     x\nabcdefg\n"
        );
        assert_eq!(table(Some(header), &[]).to_string(), "NAME  TAG\n");
        assert_eq!(table(None, &[]).to_string(), "");
    }

    #[test]
    fn long_names_are_neither_cut_nor_wrapped() {
        let name = "n".repeat(100_000);
        let text = table(None, &[&format!("{name}\tx")]).to_string();
        assert!(text == format!("{name}  x\n"));
        let name = "é".repeat(60_000);
        let text = table(None, &[&format!("{name}\tx")]).to_string();
        assert!(text == format!("{name}  x\n"));
    }

    #[test]
    fn many_rows_are_aligned_as_few_are() {
        let mut rows = vec!["a\tb"; 3 * PIECE];
        rows[2 * PIECE] = "längst\té";
        let text = table(Some(&["N", "T"]), &rows).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), rows.len() + 1);
        assert_eq!(lines[0], "N       T");
        assert_eq!(lines[1], "a       b");
        assert_eq!(lines[2 * PIECE + 1], "längst  é");
        assert_eq!(lines[3 * PIECE], "a       b");
    }

    #[test]
    fn a_line_of_blanks_ends_where_it_begins() {
        assert_eq!(table(None, &["\t ", "a\tb"]).to_string(), "\na  b\n");
    }

    proptest! {
        #[test]
        fn rows_are_filled_as_comfy_table_arranges_them(
            rows in prop::collection::vec(prop::array::uniform3("[ -~]{0,12}"), 1..20)
        ) {
            let rows: Vec<String> = rows.iter().map(|cells| cells.join("\t")).collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let table = table(None, &rows);
            let (mut filled, mut arranged) = (String::new(), String::new());
            table.fill(&mut filled, &table.pieces[0]);
            table.arrange(&mut arranged, &table.pieces[0]);
            prop_assert_eq!(filled, arranged);
        }
    }
}
