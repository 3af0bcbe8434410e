use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::limits::NUMBER;

fn canonical(text: &str) -> String {
    match text.parse::<Query>() {
        Ok(query) => query.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn refused(text: &str) -> (usize, Problem, String) {
    let error = text.parse::<Query>().expect_err(text);
    (error.at(), error.problem(), error.to_string())
}

#[test]
fn every_form_of_a_query_has_its_canonical_text() {
    for (text, expected) in [
        ("", ""),
        ("  \t\n", ""),
        ("LEVEL:error", "level:ERROR"),
        ("level:>=warn", "level:>=WARNING"),
        ("organization:org_123", "org:\"org_123\""),
        ("org:\"a b\\\"c\\\\d\\e\"", "org:\"a b\\\"c\\\\d\\\\e\""),
        ("user:*", "user:*"),
        (
            "path:/api/* path:*.json path:*x* path:/a/*/b",
            "path:/api/* path:*.json path:*x* path:/a/*/b",
        ),
        ("path:\"/a*\"", "path:\"/a*\""),
        ("path:/a:b", "path:\"/a:b\""),
        ("method:get", "method:\"GET\""),
        ("method:\"get\"", "method:\"get\""),
        (
            "status:503 status:>=500 status:5xx -status:*",
            "status:503 status:>=500 status:5xx -status:*",
        ),
        (
            "duration:>1s duration:<=250ms duration:>0.5us",
            "duration:>1000000us duration:<=250000us duration:>0us",
        ),
        ("audit:true", "audit:true"),
        ("id:01A20C77-F456-712B-883B-D7D78B41EA9E", "id:01a20c77-f456-712b-883b-d7d78b41ea9e"),
        (
            "extra.sku:7 extra.n:>=1.50 extra.s:\"7\" extra.a.b-c:x*",
            "extra.sku:7 extra.n:>=1.5 extra.s:\"7\" extra.a.b-c:x*",
        ),
        ("extra.n:<-0.0", "extra.n:<-0.0"),
        ("timeout \"no healthy\"", "\"timeout\" \"no healthy\""),
        ("error:UF logger:app", "error:\"UF\" service:\"app\""),
        ("a b OR c d", "\"a\" \"b\" OR \"c\" \"d\""),
        ("a AND (b OR c)", "\"a\" (\"b\" OR \"c\")"),
        ("(a)", "\"a\""),
        ("(a b) OR c", "\"a\" \"b\" OR \"c\""),
        ("-(a b) NOT c --d -\"e\"", "-(\"a\" \"b\") -\"c\" --\"d\" -\"e\""),
        ("a-b", "\"a-b\""),
        ("12:30 é:x", "\"12:30\" \"é:x\""),
        ("\"OR\" or", "\"OR\" \"or\""),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
        assert_eq!(canonical(expected), expected);
        assert_eq!(expected.parse::<Query>(), text.parse(), "{text}");
    }
}

#[test]
fn an_error_names_the_place_and_the_remedy() {
    for (text, at, problem, says) in [
        ("level:LOUD", 0, Problem::NotLevel, "\"LOUD\": must be DEBUG, INFO, WARNING"),
        (
            "a stauts:5",
            2,
            Problem::NoSuchField,
            "no field is named \"stauts\": it must be level, org, ",
        ),
        ("http://x", 0, Problem::NoSuchField, "to search for the text, put quotes around it"),
        ("extra.$where:1", 0, Problem::NoSuchField, "or extra.NAME"),
        ("a user:", 2, Problem::NoValue, "write it right behind the colon"),
        ("user: 17", 0, Problem::NoValue, "write it right behind the colon"),
        ("user:\"\"", 0, Problem::Empty, "an empty text"),
        ("\"\"", 0, Problem::Empty, "an empty text"),
        ("path:a*b*c", 0, Problem::Stars, "one * may stand inside"),
        ("path:**", 0, Problem::Stars, "for a * itself"),
        ("tim*", 0, Problem::PartWithStar, "leave out *"),
        ("user:>5", 0, Problem::NotComparable, "texts have no < and >"),
        ("attempts:x", 0, Problem::NotNumber, "must be a number from -9007199254740992 to"),
        ("attempts:1e3", 0, Problem::NotNumber, "must be a number"),
        ("attempts:inf", 0, Problem::NotNumber, "must be a number"),
        ("status:50x", 0, Problem::NotStatus, "for example 503, or 5xx"),
        ("status:>5xx", 0, Problem::NotStatus, "for example 503, or 5xx"),
        ("duration:1s", 0, Problem::NoComparison, "for example >1s"),
        ("duration:>5", 0, Problem::NotDuration, "a duration and its unit"),
        ("audit:yes", 0, Problem::NotFlag, "must be true or false"),
        ("id:17", 0, Problem::NotUuid, "a UUID"),
        ("é (a", 2, Problem::StaysOpen, "( is never closed"),
        ("é \"a", 2, Problem::StaysOpen, "\\\" is never closed"),
        ("a )", 2, Problem::Closes, ") closes nothing"),
        ("()", 1, Problem::Closes, ") closes nothing"),
        ("OR a", 0, Problem::Joins, "nothing stands before OR"),
        ("a AND OR b", 6, Problem::Joins, "nothing stands before OR"),
        ("a OR", 4, Problem::Ends, "a term must follow"),
        ("a NOT", 5, Problem::Ends, "a term must follow"),
        ("- a", 0, Problem::NegatesNothing, "- negates nothing"),
        ("ab\"c\"", 0, Problem::Joined, "put a blank before it"),
        ("\"ab\"c", 0, Problem::Joined, "put a blank before it"),
        ("path:/a(b)", 5, Problem::Joined, "put a blank before it"),
        ("a\0", 1, Problem::Nul, "U+0000"),
        ("path:\u{1b}[2J*x*", 0, Problem::Stars, "\\u{1b}[2J*x*"),
    ] {
        let told = refused(text);
        assert_eq!((told.0, told.1), (at, problem), "{text}: {}", told.2);
        assert!(told.2.starts_with(&format!("at character {}: ", at + 1)), "{}", told.2);
        assert!(told.2.contains(says), "{text}: {}", told.2);
    }
}

#[test]
fn every_bound_is_a_refusal_that_names_it() {
    let long = "é".repeat(QUERY_BYTES / 2 + 1);
    assert_eq!(refused(&long).1, Problem::TooLong);
    assert!(refused(&long).2.contains("longer than 4096 bytes"));
    assert!("a".repeat(QUERY_BYTES).parse::<Query>().is_ok());
    let terms = |count: usize| "a ".repeat(count);
    assert!(terms(TERMS).parse::<Query>().is_ok());
    assert_eq!(refused(&terms(TERMS + 1)).1, Problem::TooMany);
    let deep = |depth: usize| format!("{}a b{}", "-(".repeat(depth / 2), ")".repeat(depth / 2));
    assert!(deep(DEPTH).parse::<Query>().is_ok());
    assert_eq!(refused(&deep(DEPTH + 2)).1, Problem::TooDeep);
    assert_eq!(refused(&"-".repeat(4_000)).1, Problem::TooDeep);
    assert_eq!(refused(&"(".repeat(4_000)).1, Problem::TooDeep);
    assert!(format!("attempts:{NUMBER}").parse::<Query>().is_ok());
    assert_eq!(refused(&format!("attempts:-{}", NUMBER + 1)).1, Problem::NotNumber);
    let message = refused(&format!("audit:{}", "\u{1b}".repeat(4_000))).2;
    assert!(message.len() < 600 && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn a_program_adds_conditions_without_a_text() {
    let base = || "a OR b".parse::<Query>().unwrap();
    let user = Query::exactly("user", "x\" OR *").unwrap();
    let query = base().and(user).and(Query::from_level(gatelog_record::Level::Debug));
    assert_eq!(query.to_string(), "(\"a\" OR \"b\") user:\"x\\\" OR *\"");
    assert_eq!(query.to_string().parse(), Ok(query));
    assert_eq!(Query::ALL.and(base()), base());
    for (field, value) in [("status", "5"), ("nothing", "x"), ("user", ""), ("user", "a\0")] {
        assert_eq!(Query::exactly(field, value), None, "{field}");
    }
}

/// What the language gives a meaning, and what might be taken for it.
const PIECES: [&str; 34] = [
    "level:",
    "user:",
    "path:",
    "method:",
    "status:",
    "duration:",
    "attempts:",
    "audit:",
    "id:",
    "error:",
    "extra.a.b:",
    "extra.",
    "message:",
    " ",
    " OR ",
    " AND ",
    "NOT ",
    "-",
    "(",
    ")",
    "*",
    "\"",
    "\\",
    ">=",
    "<",
    "5xx",
    "7.50",
    "-1",
    "1ms",
    "ERROR",
    "true",
    "a",
    "\u{e9}\u{1b}",
    "\n",
];

proptest! {
    #[test]
    fn any_text_is_a_query_with_an_equal_canonical_text_or_is_refused_in_one_line(
        pieces in prop::collection::vec(select(&PIECES[..]), 0..24),
    ) {
        let text = pieces.concat();
        match text.parse::<Query>() {
            Ok(query) => {
                let canonical = query.to_string();
                prop_assert_eq!(canonical.parse::<Query>(), Ok(query), "{}", canonical);
            }
            Err(error) => {
                prop_assert!(error.at() <= text.chars().count());
                prop_assert!(!error.to_string().contains(['\n', '\u{1b}']), "{:?}", error);
            }
        }
    }

    /// Made of terms, so that most of them parse.
    #[test]
    fn a_canonical_text_is_its_own(
        terms in prop::collection::vec((select(&PIECES[..13]), select(&PIECES[23..33])), 1..6),
        joined in select(vec![" ", " OR ", ") OR (", " -"]),
    ) {
        let terms: Vec<_> = terms.iter().map(|(field, value)| format!("{field}{value}")).collect();
        if let Ok(query) = format!("({})", terms.join(joined)).parse::<Query>() {
            let canonical = query.to_string();
            prop_assert_eq!(canonical.parse::<Query>().map(|it| it.to_string()), Ok(canonical));
        }
    }
}
