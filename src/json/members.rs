//! The members of an object.

use super::scan::{Scanner, SyntaxError};

/// Iterates over the members of an object in their order, each as key and value, both
/// as they are in the text. Of members with the same key, all are returned.
///
/// It ends with the object, or earlier where the text stops being JSON.
pub(crate) struct Members<'t> {
    text: &'t str,
    scanner: Scanner<'t>,
    /// True if there can be more.
    is_open: bool,
    /// True if a comma comes before the next member.
    is_behind_member: bool,
}

impl<'t> Members<'t> {
    /// The members of a text that is an object; a text that is none has no members.
    pub(crate) fn of(text: &'t str) -> Self {
        Members::at(text, 0)
    }

    /// The members of the object at an offset into a text.
    pub(crate) fn at(text: &'t str, offset: usize) -> Self {
        let mut scanner = Scanner::at(text, offset);
        Members {
            text,
            is_open: scanner.take(b'{'),
            is_behind_member: false,
            scanner,
        }
    }

    /// Returns where the last member ends, in bytes from the start of the text.
    pub(crate) fn offset(&self) -> usize {
        self.scanner.offset()
    }

    fn member(&mut self) -> Result<Option<(&'t str, &'t str)>, SyntaxError> {
        if self.scanner.take(b'}') {
            return Ok(None);
        }
        if self.is_behind_member {
            self.scanner.comma_in_object()?;
        }
        self.is_behind_member = true;
        let key = self.scanner.key()?;
        let value = self.scanner.value()?;
        Ok(Some((&self.text[key], &self.text[value])))
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.is_open {
            return None;
        }
        let member = self.member().ok().flatten();
        self.is_open = member.is_some();
        member
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::oracle;
    use proptest::prelude::*;

    #[test]
    fn members_come_in_their_order_up_to_where_the_text_is_damaged() {
        let members = |text| Members::of(text).collect::<Vec<_>>();
        assert_eq!(members("{ }"), []);
        assert_eq!(members("null"), []);
        assert_eq!(
            members("{ \"a\" : 1 , \"a\":[{}] }"),
            [("\"a\"", "1"), ("\"a\"", "[{}]")]
        );
        assert_eq!(
            members("{\"a\":1,\"b\":2 \"c\":3}"),
            [("\"a\"", "1"), ("\"b\"", "2")]
        );
        assert_eq!(members("{\"a\":1,"), [("\"a\"", "1")]);
        assert_eq!(members("{,\"a\":1}"), []);
    }

    #[test]
    fn members_are_found_in_the_middle_of_a_text() {
        let mut members = Members::at("[1, {\"a\": 2}]", 4);
        assert_eq!(members.next(), Some(("\"a\"", "2")));
        assert_eq!(members.offset(), 11);
        assert_eq!(members.next(), None);
        assert_eq!(members.next(), None);
    }

    proptest! {
        #[test]
        fn members_are_those_that_serde_json_finds(text in crate::document::generated::registry()) {
            let expected = oracle::Members::of(&text);
            let expected: Vec<_> = expected.iter().collect();
            let found: Vec<_> = Members::of(&text).collect();
            let decoded = |key: &str| crate::json::decode(key).unwrap().into_owned();
            let found: Vec<_> = found.iter().map(|(key, value)| (decoded(key), *value)).collect();
            let found: Vec<_> = found.iter().map(|(key, value)| (&**key, *value)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
