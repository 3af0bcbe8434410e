//! Why a text is not a query: the place, what stands there, and the remedy.

use std::fmt;

use gatelog_record::ParseLevelError;

use crate::limits::{DEPTH, NUMBER, QUERY_BYTES, TERMS};
use crate::query::field::FIELDS;

/// Maximum characters of the query that a message quotes.
const QUOTED: usize = 64;

/// A text that is not a query. Its message is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    at: usize,
    near: String,
    problem: Problem,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The text is too long.
    TooLong,
    /// There are too many terms.
    TooMany,
    /// Parentheses and negations are nested too deep.
    TooDeep,
    /// U+0000, which MongoDB cannot search for.
    Nul,
    /// A quote or a parenthesis that is not closed.
    StaysOpen,
    /// A parenthesis that closes none.
    Closes,
    /// `OR` or `AND` without a part in front of it.
    Joins,
    /// The text ends where a part must stand.
    Ends,
    /// A `-` with nothing behind it.
    NegatesNothing,
    /// A quote or a parenthesis inside a word.
    Joined,
    /// No field has this name.
    NoSuchField,
    /// Nothing stands behind a field's colon.
    NoValue,
    /// An empty text in quotes.
    Empty,
    /// `*` in places where it has no meaning.
    Stars,
    /// `*` in a text that is looked for as a part anyway.
    PartWithStar,
    /// Not a level.
    NotLevel,
    /// Not a number.
    NotNumber,
    /// Not a status.
    NotStatus,
    /// Not a duration.
    NotDuration,
    /// A duration that is not compared.
    NoComparison,
    /// A comparison of a text.
    NotComparable,
    /// Not a boolean.
    NotFlag,
    /// Not a UUID.
    NotUuid,
}

impl ParseError {
    pub(super) fn new(at: usize, near: &str, problem: Problem) -> Self {
        let mut chars = near.chars();
        let mut near: String = chars.by_ref().take(QUOTED).collect();
        if chars.next().is_some() {
            near.push('…');
        }
        Self { at, near, problem }
    }

    /// Where it is, in characters from 0: where to put the cursor.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What is wrong.
    pub fn problem(&self) -> Problem {
        self.problem
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = self.near.escape_debug();
        write!(f, "at character {}: ", self.at.saturating_add(1))?;
        match self.problem {
            Problem::TooLong => {
                write!(f, "the query is longer than {QUERY_BYTES} bytes: shorten it")
            }
            Problem::TooMany => write!(f, "more than {TERMS} terms: leave some out"),
            Problem::TooDeep => {
                write!(f, "nested deeper than {DEPTH}: use fewer parentheses and negations")
            }
            Problem::Nul => f.write_str("U+0000 cannot be searched for: leave it out"),
            Problem::StaysOpen => {
                write!(f, "{near} is never closed: close it, or put quotes around it")
            }
            Problem::Closes => {
                f.write_str(") closes nothing: leave it out, or put quotes around it")
            }
            Problem::Joins => write!(
                f,
                "nothing stands before {near}: leave it out, or put quotes around it to search for \
                 the word"
            ),
            Problem::Ends => f.write_str("a term must follow: the query ends here"),
            Problem::NegatesNothing => {
                f.write_str("- negates nothing: put a term right behind it, or quotes around it")
            }
            Problem::Joined => write!(
                f,
                "a quote or ( inside \"{near}…\": put a blank before it, or quotes around the whole"
            ),
            Problem::NoSuchField => {
                write!(f, "no field is named \"{near}\": it must be ")?;
                for field in &FIELDS {
                    write!(f, "{}, ", field.name)?;
                }
                f.write_str("or extra.NAME; to search for the text, put quotes around it")
            }
            Problem::NoValue => f.write_str(
                "the field has no value: write it right behind the colon, or * for any value",
            ),
            Problem::Empty => f.write_str(
                "an empty text matches nothing: write what to search for, or * for any value",
            ),
            Problem::Stars => write!(
                f,
                "\"{near}\": one * may stand inside, or one at each end; for a * itself, put quotes \
                 around it"
            ),
            Problem::PartWithStar => write!(
                f,
                "\"{near}\": parts of texts are found anyway: leave out *, or put quotes around it \
                 to search for a * itself"
            ),
            Problem::NotLevel => write!(f, "\"{near}\": {}", ParseLevelError::REMEDY),
            Problem::NotNumber => {
                write!(f, "\"{near}\": must be a number from -{NUMBER} to {NUMBER}")
            }
            Problem::NotStatus => {
                write!(f, "\"{near}\": must be a status, for example 503, or 5xx")
            }
            Problem::NotDuration => write!(
                f,
                "\"{near}\": must be a comparison with a duration and its unit, for example >1s or \
                 <=250ms"
            ),
            Problem::NoComparison => {
                write!(f, "\"{near}\": must be a comparison, for example >{near}")
            }
            Problem::NotComparable => write!(
                f,
                "\"{near}\": texts have no < and >; to search for the sign, put quotes around it"
            ),
            Problem::NotFlag => write!(f, "\"{near}\": must be true or false"),
            Problem::NotUuid => write!(f, "\"{near}\": must be a record's id, a UUID"),
        }
    }
}

impl std::error::Error for ParseError {}
