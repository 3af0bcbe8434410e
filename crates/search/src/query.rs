//! What a query says, as a tree.

mod display;
pub(crate) mod field;
pub(crate) mod pattern;

use gatelog_record::{Level, Uuid};

use field::Field;
use pattern::Pattern;

/// A query of the search box, parsed and within its [bounds](crate::limits). It has no way to the
/// database of its own: only a [`Scope`](crate::Scope) makes it a [`Selection`](crate::Selection).
///
/// Its text ([`Display`](std::fmt::Display)) is the query in canonical form. Unless that is longer
/// than a query may be, it parses to an equal one.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub(crate) root: Node,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// All of these; every record if there are none.
    And(Vec<Node>),
    /// One of these; at least two.
    Or(Vec<Node>),
    Not(Box<Node>),
    Term(Term),
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) field: Field,
    pub(crate) want: Want,
}

/// What a field's value must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Want {
    /// There is one, and it is not null.
    Present,
    Level(Compare, Level),
    Text(Pattern),
    /// One of several texts contains this, whatever the case of ASCII letters.
    Part(String),
    Number(Compare, Number),
    /// A status of three digits that begins with this one.
    Class(u8),
    /// Microseconds, compared with a number of milliseconds.
    Micros(Compare, u64),
    Flag(bool),
    Uuid(Uuid),
    /// The text as it is, or what it reads as: a number or a boolean.
    Loose(String),
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A finite number within ± [`NUMBER`](crate::limits::NUMBER).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Query {
    /// The query that every record matches: that of an empty text.
    pub const ALL: Self = Self { root: Node::And(Vec::new()) };

    /// Whether every record matches, because there is no term.
    pub fn is_empty(&self) -> bool {
        self.root == Self::ALL.root
    }

    /// The records that match both.
    ///
    /// The result may have more terms than a text could have, so it need not parse.
    pub fn and(self, other: Self) -> Self {
        let parts = |root| match root {
            Node::And(parts) => parts,
            other => vec![other],
        };
        let mut all = parts(self.root);
        all.extend(parts(other.root));
        Self { root: Node::all(all) }
    }

    /// A field of the language that must have exactly this value, for a program that has it from
    /// somewhere else than a query's text. `None` if there is no such field, or it is not a text.
    pub fn exactly(field: &str, value: &str) -> Option<Self> {
        let field = Field::of_name(field)?;
        match field {
            Field::Named(named) if named.kind == field::Kind::Text => {}
            _ => return None,
        }
        let fits = !value.is_empty() && !value.contains('\0');
        let want = Want::Text(Pattern::Exact(value.to_owned()));
        fits.then_some(Self { root: Node::Term(Term { field, want }) })
    }

    /// This level and more severe ones.
    pub fn from_level(level: Level) -> Self {
        if level == Level::Debug {
            return Self::ALL;
        }
        let Some(field) = Field::of_name("level") else { return Self::ALL };
        let want = Want::Level(Compare::GreaterOrEqual, level);
        Self { root: Node::Term(Term { field, want }) }
    }
}

impl Node {
    /// All of these, without a list of one.
    pub(crate) fn all(mut nodes: Vec<Node>) -> Self {
        match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            Some(last) => {
                nodes.push(last);
                Node::And(nodes)
            }
            None => Node::And(nodes),
        }
    }
}

impl Compare {
    pub(crate) const ALL: [(&'static str, Compare); 5] = [
        (">=", Compare::GreaterOrEqual),
        ("<=", Compare::LessOrEqual),
        (">", Compare::Greater),
        ("<", Compare::Less),
        ("", Compare::Equal),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, own)| *own == self).map_or("", |(text, _)| text)
    }

    /// Whether two values that compare like this are wanted.
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Compare::Equal => order.is_eq(),
            Compare::Less => order.is_lt(),
            Compare::LessOrEqual => order.is_le(),
            Compare::Greater => order.is_gt(),
            Compare::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Number {
    /// Reads a decimal number within the bound.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.');
        if !text.chars().all(is_plain) {
            return None;
        }
        if let Ok(whole) = text.parse::<i64>() {
            return (whole.unsigned_abs() <= crate::limits::NUMBER.unsigned_abs())
                .then_some(Number::Whole(whole));
        }
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let bound = crate::limits::NUMBER as f64;
        let fraction = text.parse::<f64>().ok()?;
        (fraction.abs() <= bound).then_some(Number::Fraction(fraction))
    }
}
