//! A query's canonical text.

use std::fmt::{self, Write};

use super::field::Field;
use super::pattern::Pattern;
use super::{Node, Number, Query, Term, Want};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Node::And(nodes) => all(f, nodes),
            Node::Or(nodes) => one_of(f, nodes),
            node => part(f, node),
        }
    }
}

fn all(f: &mut fmt::Formatter<'_>, nodes: &[Node]) -> fmt::Result {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            f.write_char(' ')?;
        }
        part(f, node)?;
    }
    Ok(())
}

fn one_of(f: &mut fmt::Formatter<'_>, nodes: &[Node]) -> fmt::Result {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            f.write_str(" OR ")?;
        }
        match node {
            // Binds tighter, and needs no parentheses.
            Node::And(nodes) => all(f, nodes)?,
            node => part(f, node)?,
        }
    }
    Ok(())
}

/// A part of a list.
fn part(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::Term(term) => write!(f, "{term}"),
        Node::Not(inner) => {
            f.write_char('-')?;
            part(f, inner)
        }
        Node::And(nodes) => {
            f.write_char('(')?;
            all(f, nodes)?;
            f.write_char(')')
        }
        Node::Or(nodes) => {
            f.write_char('(')?;
            one_of(f, nodes)?;
            f.write_char(')')
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Field::Named(named) => write!(f, "{}:", named.name)?,
            Field::Extra(key) => write!(f, "extra.{key}:")?,
            Field::Anywhere => {}
        }
        match &self.want {
            Want::Present => f.write_char('*'),
            Want::Level(compare, level) => write!(f, "{}{level}", compare.as_str()),
            Want::Number(compare, Number::Whole(number)) => {
                write!(f, "{}{number}", compare.as_str())
            }
            // With its fraction, also if that is 0.
            Want::Number(compare, Number::Fraction(number)) => {
                write!(f, "{}{}", compare.as_str(), Fraction(*number))
            }
            Want::Class(digit) => write!(f, "{digit}xx"),
            Want::Micros(compare, micros) => write!(f, "{}{micros}us", compare.as_str()),
            Want::Flag(flag) => write!(f, "{flag}"),
            Want::Uuid(id) => write!(f, "{}", id.hyphenated()),
            Want::Part(text) | Want::Text(Pattern::Exact(text)) => quoted(f, text),
            Want::Loose(text) => f.write_str(text),
            Want::Text(Pattern::Around(before, after)) => write!(f, "{before}*{after}"),
            Want::Text(Pattern::Contains(text)) => write!(f, "*{text}*"),
        }
    }
}

struct Fraction(f64);

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let fraction = if text.contains('.') { "" } else { ".0" };
        write!(f, "{text}{fraction}")
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}
