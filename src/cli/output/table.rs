//! Tables: columns two spaces apart, nothing cut, nothing wrapped, no trailing
//! blanks.
//!
//! A row is a line of text with a tab between cells, as Go's `text/tabwriter`
//! takes it, because a string for each cell would take more time than all the
//! rest. A text of several lines is several rows.
//!
//! comfy-table lays out tables, but for two kinds that are filled by hand, to the
//! same bytes: long ones, and the rows of `images` that are ASCII, because with ten
//! of them comfy-table takes a quarter of the instructions of the whole program.

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Arranged, Width, presets};
use unicode_width::UnicodeWidthStr;

use super::Out;
use crate::cli::exit::OutputError;

/// The most rows of a table for people that comfy-table lays out.
const FEW: usize = 500;

/// The blanks between two columns.
const PADDING: u16 = 2;

/// The columns of a table and their header.
pub(in crate::cli) struct Table {
    /// A row of titles.
    header: Option<String>,
    widths: Widths,
    /// As many blanks as the widest column and its padding take.
    blanks: String,
}

/// The widths of columns.
#[derive(Default)]
struct Widths(Vec<usize>);

impl Widths {
    /// Widens the columns to the cells of rows.
    fn measure(&mut self, rows: &str) {
        let is_ascii = rows.is_ascii();
        for row in rows.split('\n') {
            match is_ascii {
                true => self.widen(lengths(row)),
                false => self.widen(row.split('\t').map(UnicodeWidthStr::width)),
            }
        }
    }

    fn widen(&mut self, found: impl IntoIterator<Item = usize>) {
        for (index, width) in found.into_iter().enumerate() {
            match self.0.get_mut(index) {
                Some(widest) => *widest = width.max(*widest),
                // One at least, because comfy-table has no narrower column.
                None => self.0.push(width.max(1)),
            }
        }
    }
}

impl Table {
    /// Returns a table for these rows, under a row of titles.
    pub(in crate::cli) fn new(header: Option<String>, rows: &[&str]) -> Self {
        let mut widths = Widths::default();
        header.iter().for_each(|header| widths.measure(header));
        rows.iter().for_each(|row| widths.measure(row));
        let widest = widths.0.iter().max().copied().unwrap_or_default();
        Table {
            header,
            widths,
            blanks: " ".repeat(widest + usize::from(PADDING)),
        }
    }

    /// Prints the table with its rows.
    pub(in crate::cli) fn print(&self, out: &mut Out, rows: &[&str]) -> Result<(), OutputError> {
        if let Some(header) = &self.header {
            out.each(&[header], |text, header| self.fill(text, header))?;
        }
        if self.is_filled(rows.len()) {
            return out.each(rows, |text, row| self.fill(text, row));
        }
        let runs: Vec<&[&str]> = rows.chunk_by(|a, b| a.is_ascii() == b.is_ascii()).collect();
        out.each(&runs, |text, rows| match rows[0].is_ascii() {
            true => rows.iter().for_each(|row| self.fill(text, row)),
            false => self.arrange(text, rows),
        })
    }

    /// Returns whether a table of that many rows is filled by hand: because it is long,
    /// or because comfy-table would wrap a column that is wider than it can count.
    fn is_filled(&self, rows: usize) -> bool {
        rows > FEW || self.blanks.len() > usize::from(u16::MAX)
    }

    /// Appends rows as lines, each cell filled up to the width of its column.
    fn fill(&self, text: &mut String, rows: &str) {
        let is_ascii = rows.is_ascii();
        for row in rows.split('\n') {
            let (start, mut at) = (text.len(), 0);
            for (length, width) in lengths(row).zip(&self.widths.0) {
                let cell = &row[at..at + length];
                let taken = if is_ascii { length } else { cell.width() };
                text.push_str(cell);
                text.push_str(&self.blanks[..width - taken + usize::from(PADDING)]);
                at += length + 1;
            }
            end_line(text, start);
        }
    }

    /// Appends rows as lines that comfy-table lays out.
    fn arrange(&self, text: &mut String, rows: &[&str]) {
        let mut table = Arranged::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let rows = rows.iter().flat_map(|row| row.split('\n'));
        table.add_rows(rows.map(|row| row.split('\t')));
        for (column, &width) in table.column_iter_mut().zip(&self.widths.0) {
            column.set_padding((0, PADDING));
            let width = u16::try_from(width).unwrap_or(u16::MAX - PADDING);
            let width = Width::Fixed(width + PADDING);
            column.set_constraint(ColumnConstraint::Absolute(width));
        }
        for line in table.lines() {
            let start = text.len();
            text.push_str(&line);
            end_line(text, start);
        }
    }
}

/// Returns the lengths of the cells of a row, in bytes. It looks at each byte,
/// because cells are short: to search for their ends takes longer.
fn lengths(row: &str) -> impl Iterator<Item = usize> {
    let cells = row.as_bytes().split(|&byte| byte == b'\t');
    cells.map(<[u8]>::len)
}

/// Returns a table as a text.
pub(in crate::cli) fn render(header: Option<&str>, rows: &[String]) -> String {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let table = Table::new(header.map(str::to_owned), &rows);
    let lines: Vec<&str> = header.into_iter().chain(rows).collect();
    let mut text = String::new();
    match table.is_filled(lines.len()) {
        true => lines.iter().for_each(|row| table.fill(&mut text, row)),
        false => table.arrange(&mut text, &lines),
    }
    text
}

/// Ends the line that starts there, without trailing blanks.
fn end_line(text: &mut String, start: usize) {
    text.truncate(start + text[start..].trim_end().len());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_aligned_by_width_and_lines_have_no_trailing_blanks() {
        let render = |header, rows: &[&str]| {
            let rows: Vec<_> = rows.iter().map(|&row| row.to_owned()).collect();
            render(header, &rows)
        };
        let header = Some("NAME\tTAG");
        assert_eq!(
            render(header, &["日本\tx", "abcdefg\t"]),
            "NAME     TAG\n日本     x\nabcdefg\n"
        );
        assert_eq!(render(header, &["é\ta"]), "NAME  TAG\né     a\n");
        assert_eq!(render(header, &[]), "NAME  TAG\n");
        assert_eq!(render(None, &[]), "");
        assert_eq!(render(None, &["", "\t ", "a\tb"]), "\n\na  b\n");
        assert_eq!(render(None, &["aa\tb\nc\td"]), "aa  b\nc   d\n");
        assert_eq!(render(None, &["a\u{a0}\t\u{3000}", "a \tb"]), "a\na   b\n");
    }

    #[test]
    fn long_names_are_neither_cut_nor_wrapped() {
        for name in ["n", "é"].map(|name| name.repeat(100_000)) {
            let rows = [format!("{name}\tx"), "é\tx".to_owned()];
            let blanks = " ".repeat(100_001);
            let expected = format!("{name}  x\né{blanks}x\n");
            assert!(render(None, &rows) == expected);
        }
    }

    proptest! {
        #[test]
        fn rows_are_filled_as_comfy_table_arranges_them(
            rows in prop::collection::vec(prop::array::uniform3("[ -~é日]{0,12}"), 1..20)
        ) {
            let rows: Vec<String> = rows.iter().map(|cells| cells.join("\t")).collect();
            let rows = rows.join("\n");
            let table = Table::new(None, &[&rows]);
            let (mut filled, mut arranged) = (String::new(), String::new());
            table.fill(&mut filled, &rows);
            table.arrange(&mut arranged, &[&rows]);
            prop_assert_eq!(filled, arranged);
        }
    }
}
