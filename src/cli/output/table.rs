//! Tables: columns two spaces apart, nothing cut, nothing wrapped, no trailing
//! blanks.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr;

use crate::parallel;

/// So many rows are laid out at once. They are a table of their own, so that
/// all cores can work on one and memory is used again for the next.
const PIECE: usize = 64;

const PADDING: u16 = 2;

/// Lays out a row for each item, all of as many cells, under a header.
pub(in crate::cli) fn render<'i, T, C>(
    header: Option<&[&str]>,
    items: &'i [T],
    cells: impl Fn(&'i T) -> Vec<C> + Send + Sync,
) -> String
where
    T: Sync,
    C: AsRef<str> + Send,
{
    let pieces = parallel::map_slices(items, PIECE, |items| {
        let rows: Vec<_> = items.iter().map(&cells).collect();
        let widths = widest(&rows);
        (rows, widths)
    });
    let header = header.map(<[&str]>::to_vec);
    let mut widths = widest(header.as_slice());
    for (_, found) in &pieces {
        widen(&mut widths, found.iter().copied());
    }
    let mut text = lay_out(header.as_slice(), &widths);
    for piece in parallel::map(pieces, |(rows, _)| lay_out(&rows, &widths)) {
        text.push_str(&piece);
    }
    text
}

/// The width of each column.
fn widest(rows: &[Vec<impl AsRef<str>>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widen(&mut widths, row.iter().map(|cell| width(cell.as_ref())));
    }
    widths
}

fn widen(widths: &mut Vec<usize>, found: impl IntoIterator<Item = usize>) {
    for (index, width) in found.into_iter().enumerate() {
        match widths.get_mut(index) {
            Some(widest) => *widest = width.max(*widest),
            None => widths.push(width),
        }
    }
}

/// How many columns of a terminal a text takes.
fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.width()
    }
}

/// Rows as lines, in columns of these widths.
fn lay_out(rows: &[Vec<impl AsRef<str>>], widths: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.add_rows(rows.iter().map(|row| row.iter().map(AsRef::as_ref)));
    for (column, &width) in table.column_iter_mut().zip(widths) {
        column.set_padding((0, PADDING));
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        let width = Width::Fixed(width.saturating_add(PADDING));
        column.set_constraint(ColumnConstraint::Absolute(width));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_width_and_lines_have_no_trailing_blanks() {
        let rows = [["日本", "x"], ["abcdefg", ""]];
        assert_eq!(
            render(Some(&["NAME", "TAG"]), &rows, |row| row.to_vec()),
            "NAME     TAG\n日本     x\nabcdefg\n"
        );
        let none: &[[&str; 2]] = &[];
        let of_none = |header| render(header, none, |row| row.to_vec());
        assert_eq!(of_none(Some(&["NAME", "TAG"])), "NAME  TAG\n");
        assert_eq!(of_none(None), "");
    }

    #[test]
    fn long_names_are_neither_cut_nor_wrapped() {
        let name = "n".repeat(60_000);
        let text = render(None, &[name.as_str()], |name| vec![*name, "x"]);
        assert!(text == format!("{name}  x\n"));
    }

    #[test]
    fn many_rows_are_aligned_as_few_are() {
        let mut rows = vec![["a", "b"]; 3 * PIECE];
        rows[2 * PIECE] = ["längst", "é"];
        let text = render(Some(&["N", "T"]), &rows, |row| row.to_vec());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), rows.len() + 1);
        assert_eq!(lines[0], "N       T");
        assert_eq!(lines[1], "a       b");
        assert_eq!(lines[2 * PIECE + 1], "längst  é");
        assert_eq!(lines[3 * PIECE], "a       b");
    }
}
