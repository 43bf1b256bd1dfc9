//! Tables: columns two spaces apart, nothing cut, nothing wrapped, no trailing
//! blanks.
//!
//! A row is a line of text with a tab between cells, as Go's `text/tabwriter`
//! takes it: a string for each cell would take more time than all the rest. A text
//! of several lines is several rows.

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Arranged, Width, presets};
use unicode_width::UnicodeWidthStr;

use super::Out;
use crate::cli::exit::OutputError;
use crate::parallel;

/// So many rows are worth a thread that measures them.
const MANY: usize = 4096;

const PADDING: u16 = 2;

/// Where the columns of a table stand, and what stands above them.
pub(in crate::cli) struct Table {
    /// A row.
    header: Option<String>,
    widths: Widths,
    /// As many as the widest column has, and as stand between two.
    blanks: String,
}

/// The widths of columns.
#[derive(Default)]
struct Widths(Vec<usize>);

impl Widths {
    /// Makes columns as wide as the cells of rows demand.
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
                // comfy-table knows no narrower column.
                None => self.0.push(width.max(1)),
            }
        }
    }
}

impl Table {
    /// A table for these rows, under a row of titles.
    pub(in crate::cli) fn new(header: Option<String>, rows: &[&str]) -> Self {
        let mut widths = Widths::default();
        header.iter().for_each(|header| widths.measure(header));
        for found in parallel::map_slices(rows, MANY, |rows| {
            let mut widths = Widths::default();
            rows.iter().for_each(|row| widths.measure(row));
            widths
        }) {
            widths.widen(found.0);
        }
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
            let mut text = String::new();
            self.lay_out(&mut text, header);
            out.write(&text)?;
        }
        out.pieces(rows, |text, rows| {
            for rows in rows.chunk_by(|a, b| a.is_ascii() == b.is_ascii()) {
                self.lay_out(text, &rows.join("\n"));
            }
        })
    }

    /// Appends rows as lines. Where each character takes one column, they only
    /// have to be filled up; comfy-table, which knows the others, takes much
    /// longer for that, and wraps what is wider than it can count.
    fn lay_out(&self, text: &mut String, rows: &str) {
        if rows.is_ascii() || self.blanks.len() > usize::from(u16::MAX) {
            self.fill(text, rows);
        } else {
            self.arrange(text, rows);
        }
    }

    /// Fills cells up to the widths of their columns.
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

    /// As [`fill`](Self::fill), by comfy-table.
    fn arrange(&self, text: &mut String, rows: &str) {
        let mut table = Arranged::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.add_rows(rows.split('\n').map(|row| row.split('\t')));
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

/// How long the cells of a row are, in bytes. They are short, so that it takes
/// longer to search for their ends than to look at each byte.
fn lengths(row: &str) -> impl Iterator<Item = usize> {
    let cells = row.as_bytes().split(|&byte| byte == b'\t');
    cells.map(<[u8]>::len)
}

/// A table as a text.
pub(in crate::cli) fn render(header: Option<&str>, rows: &[String]) -> String {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let table = Table::new(header.map(str::to_owned), &rows);
    let mut text = String::new();
    let lines = table.header.as_deref().into_iter().chain(rows);
    lines.for_each(|row| table.lay_out(&mut text, row));
    text
}

/// Ends the line that starts there.
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

    #[test]
    fn many_rows_are_measured_and_aligned_as_few_are() {
        let mut rows = vec!["a\tb"; 2 * MANY];
        rows[MANY + 1] = "längst\té";
        let table = Table::new(None, &rows);
        let mut text = String::new();
        table.lay_out(&mut text, "a\tb");
        assert_eq!(text, "a       b\n");
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
            table.arrange(&mut arranged, &rows);
            prop_assert_eq!(filled, arranged);
        }
    }
}
