//! Splits a query's text into tokens. Places are counted in characters, from 0.

use std::iter::Peekable;
use std::str::Chars;

use super::error::{ParseError, Problem};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    /// `-` in front of a part, or `NOT`.
    Not,
    And,
    Or,
    /// A field's name, and the value behind its colon.
    Field(String, Word),
    Text(Word),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says, without quotes and escapes.
    pub(super) text: String,
    pub(super) quoted: bool,
}

pub(super) struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    place: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), place: 0 }
    }

    /// Behind everything that was read.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    fn take(&mut self) -> Result<Option<char>, ParseError> {
        let Some(c) = self.rest.next() else { return Ok(None) };
        if c == '\0' {
            return Err(ParseError::new(self.place, "", Problem::Nul));
        }
        self.place = self.place.saturating_add(1);
        Ok(Some(c))
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    /// The next token and its place.
    pub(super) fn token(&mut self) -> Result<Option<(usize, Token)>, ParseError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take()?;
        }
        let at = self.place;
        let token = match self.peek() {
            None => return Ok(None),
            Some('(') => self.single(Token::Open)?,
            Some(')') => self.single(Token::Close)?,
            Some('-') => {
                self.take()?;
                if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
                    return Err(ParseError::new(at, "-", Problem::NegatesNothing));
                }
                Token::Not
            }
            Some('"') => Token::Text(self.quoted()?),
            Some(_) => self.word()?,
        };
        Ok(Some((at, token)))
    }

    fn single(&mut self, token: Token) -> Result<Token, ParseError> {
        self.take()?;
        Ok(token)
    }

    /// A word that is not quoted, or a field with its value.
    fn word(&mut self) -> Result<Token, ParseError> {
        let at = self.place;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || c == ')' {
                break;
            }
            if c == '"' || c == '(' {
                return Err(ParseError::new(at, &text, Problem::Joined));
            }
            self.take()?;
            if c == ':' && is_name(&text) {
                return Ok(Token::Field(text, self.value()?));
            }
            text.push(c);
        }
        Ok(match text.as_str() {
            "OR" => Token::Or,
            "AND" => Token::And,
            "NOT" => Token::Not,
            _ => Token::Text(Word { text, quoted: false }),
        })
    }

    /// What stands behind a colon; may be nothing.
    fn value(&mut self) -> Result<Word, ParseError> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let at = self.place;
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace() && *c != ')') {
            if c == '"' || c == '(' {
                return Err(ParseError::new(at, &text, Problem::Joined));
            }
            self.take()?;
            text.push(c);
        }
        Ok(Word { text, quoted: false })
    }

    fn quoted(&mut self) -> Result<Word, ParseError> {
        let at = self.place;
        self.take()?;
        let mut text = String::new();
        loop {
            match self.take()? {
                None => return Err(ParseError::new(at, "\"", Problem::StaysOpen)),
                Some('"') => break,
                Some('\\') if matches!(self.peek(), Some('"' | '\\')) => {
                    text.extend(self.take()?);
                }
                Some(c) => text.push(c),
            }
        }
        if self.peek().is_some_and(|c| !c.is_whitespace() && c != ')') {
            return Err(ParseError::new(at, &text, Problem::Joined));
        }
        Ok(Word { text, quoted: true })
    }
}

/// Whether what stands before a colon is meant as a field's name.
fn is_name(text: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_inside)
}
