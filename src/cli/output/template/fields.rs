//! The fields that a template names.

use gotmpl::TemplateError;
use gotmpl::parse::{Expr, ListNode, Node, Parser, PipeNode};

/// The names of a field, such as `Status` and `Cache` of `.Status.Cache`.
type Path = Vec<String>;

/// The fields that a template uses, by its syntax tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// The fields in each column: a tab in the text starts one.
    pub(super) columns: Vec<Vec<Path>>,
    /// True if it uses `.` as a whole.
    pub(super) takes_all: bool,
}

impl Fields {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// It is no template.
    pub(super) fn of(template: &str) -> Result<Self, TemplateError> {
        let (tree, defined) = Parser::new(template, "{{", "}}")?.parse()?;
        let mut fields = Fields {
            columns: vec![Vec::new()],
            takes_all: false,
        };
        fields.read(&tree, Dot::Entry);
        for template in &defined {
            // Its `.` is given where it is called.
            fields.read(&template.body, Dot::Unknown);
        }
        Ok(fields)
    }

    /// Returns the fields of all columns.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.columns.iter().flatten()
    }

    fn read(&mut self, list: &ListNode, dot: Dot) {
        for node in &list.nodes {
            match node {
                Node::List(list) => self.read(list, dot),
                Node::Text(text) => {
                    let tabs = text.text.matches('\t').count();
                    let columns = self.columns.len() + tabs;
                    self.columns.resize_with(columns, Vec::new);
                }
                Node::Action(action) => self.read_pipe(&action.pipe, dot),
                Node::If(branch) => {
                    self.read_pipe(&branch.pipe, dot);
                    self.read_both(&branch.body, dot, branch.else_body.as_ref(), dot);
                }
                Node::With(branch) | Node::Range(branch) => {
                    self.read_pipe(&branch.pipe, dot);
                    let other = branch.else_body.as_ref();
                    self.read_both(&branch.body, Dot::Unknown, other, dot);
                }
                Node::Template(template) => {
                    if let Some(pipe) = &template.pipe {
                        self.read_pipe(pipe, dot);
                    }
                }
                Node::Define(_) | Node::Break(_) | Node::Continue(_) => {}
            }
        }
    }

    fn read_both(&mut self, body: &ListNode, dot: Dot, other: Option<&ListNode>, else_dot: Dot) {
        self.read(body, dot);
        if let Some(other) = other {
            self.read(other, else_dot);
        }
    }

    fn read_pipe(&mut self, pipe: &PipeNode, dot: Dot) {
        for expression in pipe.commands.iter().flat_map(|command| &command.args) {
            self.read_expression(expression, dot);
        }
    }

    fn read_expression(&mut self, expression: &Expr, dot: Dot) {
        match expression {
            Expr::Dot(_) => self.takes_all |= dot == Dot::Entry,
            Expr::Variable(_, name, path) if path.is_empty() => self.takes_all |= name == "$",
            Expr::Field(_, path) | Expr::Variable(_, _, path) => {
                self.add(path.iter().map(ToString::to_string));
            }
            Expr::Chain(_, inner, path) => {
                self.read_expression(inner, dot);
                self.add(path.iter().map(ToString::to_string));
            }
            Expr::Pipe(_, pipe) => self.read_pipe(pipe, dot),
            Expr::Identifier(..)
            | Expr::String(..)
            | Expr::Number(..)
            | Expr::Bool(..)
            | Expr::Nil(_) => {}
        }
    }

    fn add(&mut self, path: impl Iterator<Item = String>) {
        if let Some(column) = self.columns.last_mut() {
            column.push(path.collect());
        }
    }
}

/// The meaning of `.`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dot {
    Entry,
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(template: &str) -> Vec<String> {
        let fields = Fields::of(template).unwrap();
        fields.paths().map(|path| path.join(".")).collect()
    }

    #[test]
    fn fields_are_found_wherever_they_are_named() {
        for (template, found) in [
            ("{{.Tag}}", "Tag"),
            ("{{- .Tag -}}", "Tag"),
            ("{{$.Tag}} {{$x := .ID}}{{$x}}", "Tag ID"),
            ("{{.Status.Cache}}", "Status.Cache"),
            ("{{lower (truncate .Tag 3)}}", "Tag"),
            ("{{(split .Tag \".\").Nope}}", "Tag Nope"),
            (
                "{{if .A}}{{.B}}{{else if .C}}{{.D}}{{else}}{{.E}}{{end}}",
                "A B C D E",
            ),
            ("{{with .A}}{{.B}}{{else}}{{.C}}{{end}}", "A B C"),
            ("{{range split .A \",\"}}{{.}}{{end}}", "A"),
            ("{{define \"x\"}}{{.A}}{{end}}{{template \"x\" .B}}", "B A"),
            ("{{.A | lower | printf \"%s\" .B}}", "A B"),
        ] {
            assert_eq!(paths(template).join(" "), found, "{template}");
        }
    }

    #[test]
    fn what_only_looks_like_a_field_is_none() {
        for template in [
            ".Nope",
            "{{\".Nope\"}}",
            "{{`.Nope`}}",
            "{{\"a\\\".Nope\"}}",
            "{{\"}}.Nope\"}}",
            "{{/* .Nope, it's a comment */}}",
            "{{printf \"%v\" 1.5}}",
            "{{'.'}}",
        ] {
            assert_eq!(paths(template), [""; 0], "{template}");
        }
    }

    #[test]
    fn all_is_taken_only_where_the_dot_is_the_entry() {
        for template in [
            "{{.}}",
            "{{json .}} {{.Tag}}",
            "{{$}}",
            "{{with .A}}{{else}}{{.}}{{end}}",
        ] {
            assert!(Fields::of(template).unwrap().takes_all, "{template}");
        }
        for template in [
            "{{.Tag}}",
            "{{range split .A \",\"}}{{.}}{{end}}",
            "{{with .A}}{{.}}{{end}}",
        ] {
            assert!(!Fields::of(template).unwrap().takes_all, "{template}");
        }
    }
}
