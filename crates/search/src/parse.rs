//! Reads a query's text. docs/search.md has the grammar.

mod error;
mod lexer;
mod value;

use std::str::FromStr;

pub use error::{ParseError, Problem};
pub(crate) use value::flag;

use crate::limits::{DEPTH, QUERY_BYTES, TERMS};
use crate::query::field::Field;
use crate::query::{Node, Query, Term, Want};
use lexer::{Lexer, Token, Word};

impl FromStr for Query {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() > QUERY_BYTES {
            let at = text.get(..text.floor_char_boundary(QUERY_BYTES)).unwrap_or_default();
            return Err(ParseError::new(at.chars().count(), "", Problem::TooLong));
        }
        let mut parser = Parser { lexer: Lexer::new(text), next: None, terms: 0 };
        parser.advance()?;
        if parser.next.is_none() {
            return Ok(Query::ALL);
        }
        let root = parser.one_of(0)?;
        match parser.next.take() {
            None => Ok(Query { root }),
            // Whatever else could stand here would have been read.
            Some((at, _)) => Err(ParseError::new(at, ")", Problem::Closes)),
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that is looked at, with its place.
    next: Option<(usize, Token)>,
    terms: usize,
}

impl Parser<'_> {
    /// Takes the token that is looked at.
    fn advance(&mut self) -> Result<Option<(usize, Token)>, ParseError> {
        let following = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.next, following))
    }

    fn sees(&self, token: &Token) -> bool {
        self.next.as_ref().is_some_and(|(_, next)| next == token)
    }

    /// `all { "OR" all }`
    fn one_of(&mut self, depth: usize) -> Result<Node, ParseError> {
        let first = self.all(depth)?;
        if !self.sees(&Token::Or) {
            return Ok(first);
        }
        let mut nodes = vec![first];
        while self.sees(&Token::Or) {
            self.advance()?;
            nodes.push(self.all(depth)?);
        }
        Ok(Node::Or(nodes))
    }

    /// `part { ["AND"] part }`
    fn all(&mut self, depth: usize) -> Result<Node, ParseError> {
        let mut nodes = vec![self.part(depth)?];
        loop {
            match &self.next {
                None | Some((_, Token::Or | Token::Close)) => return Ok(Node::all(nodes)),
                Some((_, Token::And)) => {
                    self.advance()?;
                }
                Some(_) => {}
            }
            nodes.push(self.part(depth)?);
        }
    }

    /// `"-" part | "NOT" part | "(" one_of ")" | term`
    fn part(&mut self, depth: usize) -> Result<Node, ParseError> {
        let end = self.lexer.place();
        let Some((at, token)) = self.advance()? else {
            return Err(ParseError::new(end, "", Problem::Ends));
        };
        let below = depth.saturating_add(1);
        match token {
            Token::Not | Token::Open if below > DEPTH => {
                Err(ParseError::new(at, "", Problem::TooDeep))
            }
            Token::Not => Ok(Node::Not(Box::new(self.part(below)?))),
            Token::Open => {
                let inner = self.one_of(below)?;
                match self.advance()? {
                    Some((_, Token::Close)) => Ok(inner),
                    _ => Err(ParseError::new(at, "(", Problem::StaysOpen)),
                }
            }
            Token::Close => Err(ParseError::new(at, ")", Problem::Closes)),
            Token::Or | Token::And => {
                let word = if token == Token::Or { "OR" } else { "AND" };
                Err(ParseError::new(at, word, Problem::Joins))
            }
            Token::Text(word) => self.term(at, None, &word),
            Token::Field(name, word) => {
                let Some(field) = Field::of_name(&name) else {
                    return Err(ParseError::new(at, &name, Problem::NoSuchField));
                };
                self.term(at, Some(field), &word)
            }
        }
    }

    fn term(&mut self, at: usize, field: Option<Field>, word: &Word) -> Result<Node, ParseError> {
        self.terms = self.terms.saturating_add(1);
        if self.terms > TERMS {
            return Err(ParseError::new(at, &word.text, Problem::TooMany));
        }
        let (field, want) = match field {
            Some(field) => {
                let want = value::want(&field, word);
                (field, want)
            }
            None => (Field::Anywhere, value::part(word)),
        };
        let want: Want = want.map_err(|problem| ParseError::new(at, &word.text, problem))?;
        Ok(Node::Term(Term { field, want }))
    }
}

#[cfg(test)]
mod tests;
