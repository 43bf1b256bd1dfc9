//! Tables: columns two spaces apart, nothing cut, nothing wrapped, no trailing
//! blanks.

use comfy_table::{Cell, ContentArrangement, Table, presets};

/// Lays out rows, each of as many cells as the first, under a header.
pub(in crate::cli) fn render<H, R>(header: Option<H>, rows: Vec<R>) -> String
where
    H: IntoIterator<Item: Into<Cell>>,
    R: IntoIterator<Item: Into<Cell>>,
{
    if header.is_none() && rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_width_and_lines_have_no_trailing_blanks() {
        let rows = vec![
            ["日本".to_owned(), "x".to_owned()],
            ["abcdefg".to_owned(), String::new()],
        ];
        assert_eq!(
            render(Some(["NAME", "TAG"]), rows),
            "NAME     TAG\n日本     x\nabcdefg\n"
        );
        let none: Vec<[&str; 2]> = Vec::new();
        assert_eq!(render(Some(["NAME", "TAG"]), none.clone()), "NAME  TAG\n");
        assert_eq!(render(None::<[&str; 2]>, none), "");
    }

    #[test]
    fn long_names_are_neither_cut_nor_wrapped() {
        let name = "n".repeat(60_000);
        let text = render(None::<[&str; 2]>, vec![[name.clone(), "x".to_owned()]]);
        assert!(text == format!("{name}  x\n"));
    }
}
