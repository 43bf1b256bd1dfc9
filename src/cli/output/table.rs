//! Tables: columns two spaces apart, nothing cut, nothing wrapped, no trailing
//! blanks.

use comfy_table::{ContentArrangement, Table, presets};

/// Lays out rows under a header. An empty header is left out.
pub(in crate::cli) fn render<const N: usize>(
    header: Option<[&str; N]>,
    rows: Vec<[String; N]>,
) -> String {
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
        assert_eq!(render(Some(["NAME", "TAG"]), vec![]), "NAME  TAG\n");
        assert_eq!(render::<1>(None, vec![]), "");
    }

    #[test]
    fn long_names_are_neither_cut_nor_wrapped() {
        let name = "n".repeat(60_000);
        let text = render(None, vec![[name.clone(), "x".to_owned()]]);
        assert!(text == format!("{name}  x\n"));
    }
}
