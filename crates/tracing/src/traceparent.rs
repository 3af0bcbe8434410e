//! The W3C `traceparent` header.
//!
//! Source: W3C Trace Context, Recommendation, §3.2 "Traceparent Header".

/// Length of a version 00 header: `00-` trace id `-` parent id `-` flags.
const LENGTH: usize = 55;

/// The ids of a valid `traceparent`, as lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traceparent {
    /// 32 hex digits, not all zero.
    pub(crate) trace_id: String,
    /// 16 hex digits, not all zero: the caller's span.
    pub(crate) parent_id: String,
    /// Whether the caller records this trace.
    pub(crate) sampled: bool,
}

impl Traceparent {
    /// Reads it; `None` for anything that the recommendation says to ignore.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text = str::from_utf8(value.trim_ascii()).ok()?;
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = head.split('-');
        let mut hex = |length: usize| {
            let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            parts.next().filter(|part| part.len() == length && part.bytes().all(digit))
        };
        let (version, trace_id, parent_id, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // Version 00 ends here; a later one may go on, but only after another dash.
        let ends = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        let something = |id: &str| id.bytes().any(|byte| byte != b'0');
        if !ends || version == "ff" || !something(trace_id) || !something(parent_id) {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
        Some(Self { trace_id: trace_id.to_owned(), parent_id: parent_id.to_owned(), sampled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const PARENT: &str = "1234567890123456";

    #[test]
    fn valid_ones_are_read() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{PARENT}-01"), true),
            (format!(" 00-{TRACE}-{PARENT}-fe\t"), false),
            (format!("cc-{TRACE}-{PARENT}-01-later"), true),
        ] {
            let read = Traceparent::parse(text.as_bytes()).expect(&text);
            assert_eq!((read.trace_id.as_str(), read.parent_id.as_str()), (TRACE, PARENT));
            assert_eq!(read.sampled, sampled, "{text}");
        }
    }

    #[test]
    fn all_others_are_ignored() {
        for text in [
            String::new(),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01.later"),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{PARENT}-01", TRACE.replace('1', "A")),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00_{TRACE}_{PARENT}_01"),
            "é".repeat(40),
        ] {
            assert_eq!(Traceparent::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Traceparent::parse(b"\xff\xfe"), None);
    }
}
