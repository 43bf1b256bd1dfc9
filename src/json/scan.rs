//! A strict scanner of JSON texts (RFC 8259).
//!
//! It builds nothing and does not recurse, so that a file of any nesting is
//! either carried over whole or refused, never a stack overflow; and one pass
//! yields the places of the values, which a parser that builds values does not
//! tell. A property test holds it to the same verdicts as serde_json.

use std::ops::Range;

/// The place of something in a text, in bytes.
pub(crate) type Span = Range<usize>;

/// The kind of a value, from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl ValueKind {
    /// With an article, for a sentence.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            ValueKind::Null => "null",
            ValueKind::Bool => "a boolean",
            ValueKind::Number => "a number",
            ValueKind::String => "a string",
            ValueKind::Array => "an array",
            ValueKind::Object => "an object",
        }
    }
}

/// Where a text stops being JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// In bytes from the start of the text.
    pub(crate) offset: usize,
    pub(crate) reason: String,
}

/// Follows a scanner through a value, part by part.
pub(crate) trait Visitor {
    /// Enters an object or an array at its bracket. An error ends the walk.
    fn enter(&mut self, kind: ValueKind, at: usize) -> Result<(), SyntaxError>;

    /// Passes the key of a member of the innermost object.
    fn key(&mut self, key: Span);

    /// Passes a value that is neither an object nor an array.
    fn scalar(&mut self, kind: ValueKind, value: Span);

    /// Leaves the innermost object or array, which ends here.
    fn leave(&mut self, end: usize);
}

/// Follows and takes note of nothing.
impl Visitor for () {
    fn enter(&mut self, _: ValueKind, _: usize) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn key(&mut self, _: Span) {}

    fn scalar(&mut self, _: ValueKind, _: Span) {}

    fn leave(&mut self, _: usize) {}
}

/// A place in a JSON text, moved forward over whole tokens and values.
pub(crate) struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    escapes: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            at: 0,
            escapes: 0,
        }
    }

    /// At an offset into a text that was scanned before.
    pub(crate) fn at(text: &'t str, at: usize) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            at,
            escapes: 0,
        }
    }

    /// Returns the kind of the next value.
    pub(crate) fn kind(&mut self) -> Result<ValueKind, SyntaxError> {
        match self.peek() {
            Some(b'n') => Ok(ValueKind::Null),
            Some(b't' | b'f') => Ok(ValueKind::Bool),
            Some(b'-' | b'0'..=b'9') => Ok(ValueKind::Number),
            Some(b'"') => Ok(ValueKind::String),
            Some(b'[') => Ok(ValueKind::Array),
            Some(b'{') => Ok(ValueKind::Object),
            _ => Err(self.error("expected a value")),
        }
    }

    /// Returns the place of the scanner, in bytes from the start of the text.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Returns the number of escapes in strings that the scanner has passed over.
    pub(crate) fn escapes(&self) -> usize {
        self.escapes
    }

    /// Passes over these bytes, if they come next. They have to be whole tokens,
    /// white space included, and to be where such tokens may be.
    pub(crate) fn skip(&mut self, tokens: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(tokens.as_bytes());
        self.at += if found { tokens.len() } else { 0 };
        found
    }

    /// Passes over the members of an object: `member` is called with the span
    /// of each key and has to pass over its value. Returns the object's span.
    pub(crate) fn object<E: From<SyntaxError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), E>,
    ) -> Result<Span, E> {
        let start = self.open(b'{', "expected `{`")?;
        if !self.take(b'}') {
            let key = self.key()?;
            member(self, key)?;
            self.rest_of_object(member)?;
        }
        Ok(start..self.at)
    }

    /// As [`object`](Self::object), from behind one of its values.
    pub(crate) fn rest_of_object<E: From<SyntaxError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.take(b'}') {
            self.comma_in_object()?;
            let key = self.key()?;
            member(self, key)?;
        }
        Ok(())
    }

    /// Passes over the elements of an array: `element` is called at each and has to pass
    /// over it.
    pub(crate) fn array<E: From<SyntaxError>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[', "expected `[`")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.open(b',', "expected `,` or `]`")?;
        }
    }

    /// Passes over one value of any kind and any nesting.
    pub(crate) fn value(&mut self) -> Result<Span, SyntaxError> {
        match self.peek() {
            // As most values are.
            Some(b'"') => self.string_span(),
            _ => self.walk(&mut ()),
        }
    }

    /// Passes over one value of any kind and any nesting, and shows a visitor its
    /// parts in their order.
    ///
    /// # Errors
    ///
    /// Where the text stops being JSON, or the visitor stops. The objects and
    /// arrays that are open there were entered and never left.
    pub(crate) fn walk(&mut self, visitor: &mut impl Visitor) -> Result<Span, SyntaxError> {
        self.peek();
        let start = self.at;
        // The closing brackets that are still to come.
        let mut open: Vec<u8> = Vec::new();
        loop {
            let kind = self.kind()?;
            let at = self.at;
            match kind {
                ValueKind::Object => {
                    visitor.enter(kind, at)?;
                    self.at += 1;
                    if !self.take(b'}') {
                        open.push(b'}');
                        self.visited_key(visitor)?;
                        continue;
                    }
                    visitor.leave(self.at);
                }
                ValueKind::Array => {
                    visitor.enter(kind, at)?;
                    self.at += 1;
                    if !self.take(b']') {
                        open.push(b']');
                        continue;
                    }
                    visitor.leave(self.at);
                }
                scalar => {
                    match scalar {
                        ValueKind::String => self.string()?,
                        ValueKind::Number => self.number()?,
                        ValueKind::Null => self.word(b"null")?,
                        _ if self.bytes[at] == b't' => self.word(b"true")?,
                        _ => self.word(b"false")?,
                    }
                    visitor.scalar(kind, at..self.at);
                }
            }
            loop {
                let Some(&close) = open.last() else {
                    return Ok(start..self.at);
                };
                if self.take(close) {
                    open.pop();
                    visitor.leave(self.at);
                } else if close == b'}' {
                    self.comma_in_object()?;
                    self.visited_key(visitor)?;
                    break;
                } else {
                    self.open(b',', "expected `,` or `]`")?;
                    break;
                }
            }
        }
    }

    /// A key with its colon, shown as soon as it is whole.
    fn visited_key(&mut self, visitor: &mut impl Visitor) -> Result<(), SyntaxError> {
        let key = self.key_literal()?;
        visitor.key(key);
        self.open(b':', "expected `:`")?;
        Ok(())
    }

    /// Refuses anything but white space in what is left.
    pub(crate) fn end(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("unexpected data after the document")),
        }
    }

    /// An error at the next token.
    pub(crate) fn error(&self, reason: impl Into<String>) -> SyntaxError {
        let reason = match self.bytes.get(self.at..) {
            Some([]) => "unexpected end of the file".to_owned(),
            Some([0xef, 0xbb, 0xbf, ..]) => "unexpected byte order mark".to_owned(),
            _ => reason.into(),
        };
        SyntaxError {
            offset: self.at,
            reason,
        }
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Passes over a token of one byte, if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn open(&mut self, byte: u8, reason: &str) -> Result<usize, SyntaxError> {
        if self.take(byte) {
            Ok(self.at - 1)
        } else {
            Err(self.error(reason))
        }
    }

    /// Passes over the comma between two members of an object.
    pub(crate) fn comma_in_object(&mut self) -> Result<(), SyntaxError> {
        self.open(b',', "expected `,` or `}`").map(|_| ())
    }

    /// Passes over a key with its colon; the span is the key's, quotes included.
    pub(crate) fn key(&mut self) -> Result<Span, SyntaxError> {
        let key = self.key_literal()?;
        self.open(b':', "expected `:`")?;
        Ok(key)
    }

    fn key_literal(&mut self) -> Result<Span, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key"));
        }
        self.string_span()
    }

    fn string_span(&mut self) -> Result<Span, SyntaxError> {
        let start = self.at;
        self.string()?;
        Ok(start..self.at)
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        loop {
            self.at += plain_bytes(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error("control character in a string")),
                None => return Err(self.error("unterminated string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.escapes += 1;
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u')
                if self
                    .bytes
                    .get(self.at + 2..self.at + 6)
                    .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
            {
                self.at += 6;
            }
            _ => return Err(self.error("invalid escape in a string")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        self.at += usize::from(self.bytes[self.at] == b'-');
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("expected a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }
}

/// Returns the number of bytes before the first quote, backslash or control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    // The compiler can look at this number of bytes at once.
    let (blocks, rest) = bytes.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |found, &b| found | !is_plain(b)) {
            return 16 * index + plain_bytes_in(block);
        }
    }
    16 * blocks.len() + rest.iter().take_while(|&&byte| is_plain(byte)).count()
}

fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// As [`plain_bytes`], for a block that is known to have another byte.
fn plain_bytes_in(block: &[u8; 16]) -> usize {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const HIGH: u128 = u128::from_ne_bytes([0x80; 16]);
    // A byte becomes 0x80 or more where it is below a bound, which borrows from
    // those above it alone. So the first byte found is right, whatever is found
    // behind it.
    let below = |block: u128, bound: u128| block.wrapping_sub(ONES * bound) & !block & HIGH;
    let equal = |block: u128, byte: u8| below(block ^ (ONES * u128::from(byte)), 1);
    let block = u128::from_le_bytes(*block);
    let found = below(block, 0x20) | equal(block, b'"') | equal(block, b'\\');
    (found.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests;
