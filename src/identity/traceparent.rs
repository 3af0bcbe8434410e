//! The W3C `traceparent` header, read strictly.
//!
//! Source: W3C Trace Context, Recommendation, §3.2 "Traceparent Header".

/// The ids of a valid `traceparent`, as lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent<'a> {
    /// 32 hex digits, not all zero.
    pub trace_id: &'a str,
    /// 16 hex digits, not all zero: the caller's span.
    pub parent_id: &'a str,
    /// The flags: the lowest bit says whether the caller records this trace.
    pub flags: u8,
}

/// Length of a version 00 header: `00-` trace id `-` parent id `-` flags.
const LENGTH: usize = 55;

impl<'a> Traceparent<'a> {
    /// Reads the header's only value. `None` for anything that the recommendation says to ignore.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(value.trim_ascii()).ok()?;
        let version = field(text, 0..2)?;
        let trace_id = field(text, 3..35)?;
        let parent_id = field(text, 36..52)?;
        let flags = field(text, 53..55)?;
        let dashes = [2, 35, 52].iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
        // Version 00 ends here; a later one may go on, but only after another dash.
        let ends = match text.as_bytes().get(LENGTH) {
            None => true,
            Some(byte) => version != "00" && *byte == b'-',
        };
        let valid = dashes
            && ends
            && version != "ff"
            && trace_id.bytes().any(|byte| byte != b'0')
            && parent_id.bytes().any(|byte| byte != b'0');
        let flags = u8::from_str_radix(flags, 16).ok()?;
        valid.then_some(Self { trace_id, parent_id, flags })
    }
}

/// Lower-case hex digits at `range`.
fn field(text: &str, range: std::ops::Range<usize>) -> Option<&str> {
    text.get(range)
        .filter(|field| field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const PARENT: &str = "1234567890123456";

    // The cases of the recommendation's own test suite (w3c/trace-context, test/test.py), by name.
    const ACCEPTED: [(&str, &str); 10] = [
        (
            "traceparent_version_0x00 sampled",
            "00-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_version_0x00 unsampled",
            "00-12345678901234567890123456789012-1234567890123456-00",
        ),
        ("traceparent_version_0xcc", "cc-12345678901234567890123456789012-1234567890123456-01"),
        (
            "traceparent_version_0xcc with more",
            "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        ),
        (
            "traceparent_trace_flags reserved bits",
            "00-12345678901234567890123456789012-1234567890123456-ff",
        ),
        (
            "traceparent_ows_handling leading space",
            " 00-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_ows_handling leading tab",
            "\t00-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_ows_handling trailing space",
            "00-12345678901234567890123456789012-1234567890123456-01 ",
        ),
        (
            "traceparent_ows_handling trailing tab",
            "00-12345678901234567890123456789012-1234567890123456-01\t",
        ),
        (
            "traceparent_ows_handling both",
            "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
        ),
    ];

    const IGNORED: [(&str, &str); 33] = [
        ("empty", ""),
        (
            "traceparent_version_0x00 with more",
            "00-12345678901234567890123456789012-1234567890123456-01.",
        ),
        (
            "traceparent_version_0x00 with a field more",
            "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        ),
        (
            "traceparent_version_0xcc with more, no dash",
            "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
        ),
        ("traceparent_version_0xff", "ff-12345678901234567890123456789012-1234567890123456-01"),
        (
            "traceparent_version_illegal_characters .0",
            ".0-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_version_illegal_characters 0.",
            "0.-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_version_too_long 000",
            "000-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_version_too_long 0000",
            "0000-12345678901234567890123456789012-1234567890123456-01",
        ),
        ("traceparent_version_too_short", "0-12345678901234567890123456789012-1234567890123456-01"),
        (
            "traceparent_trace_id_all_zero",
            "00-00000000000000000000000000000000-1234567890123456-01",
        ),
        (
            "traceparent_trace_id_illegal_characters first",
            "00-.2345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_trace_id_illegal_characters eighth",
            "00-1234567.901234567890123456789012-1234567890123456-01",
        ),
        (
            "traceparent_trace_id_illegal_characters last",
            "00-1234567890123456789012345678901.-1234567890123456-01",
        ),
        (
            "traceparent_trace_id_too_long 33",
            "00-123456789012345678901234567890123-1234567890123456-01",
        ),
        (
            "traceparent_trace_id_too_short 31",
            "00-1234567890123456789012345678901-1234567890123456-01",
        ),
        (
            "traceparent_parent_id_all_zero",
            "00-12345678901234567890123456789012-0000000000000000-01",
        ),
        (
            "traceparent_parent_id_illegal_characters first",
            "00-12345678901234567890123456789012-.234567890123456-01",
        ),
        (
            "traceparent_parent_id_illegal_characters last",
            "00-12345678901234567890123456789012-123456789012345.-01",
        ),
        (
            "traceparent_parent_id_too_long",
            "00-12345678901234567890123456789012-12345678901234567-01",
        ),
        (
            "traceparent_parent_id_too_short",
            "00-12345678901234567890123456789012-123456789012345-01",
        ),
        (
            "traceparent_trace_flags_illegal_characters .0",
            "00-12345678901234567890123456789012-1234567890123456-.0",
        ),
        (
            "traceparent_trace_flags_illegal_characters 0.",
            "00-12345678901234567890123456789012-1234567890123456-0.",
        ),
        (
            "traceparent_trace_flags_too_long",
            "00-12345678901234567890123456789012-1234567890123456-001",
        ),
        (
            "traceparent_trace_flags_too_short",
            "00-12345678901234567890123456789012-1234567890123456-1",
        ),
        ("upper case version", "0A-12345678901234567890123456789012-1234567890123456-01"),
        ("upper case trace id", "00-ABCDEF78901234567890123456789012-1234567890123456-01"),
        ("upper case parent id", "00-12345678901234567890123456789012-ABCDEF7890123456-01"),
        ("other separators", "00_12345678901234567890123456789012_1234567890123456_01"),
        ("no flags", "00-12345678901234567890123456789012-1234567890123456"),
        ("inner space", "00-12345678901234567890123456789012-1234567890123456- 1"),
        (
            "two values in one",
            "00-12345678901234567890123456789011-1234567890123456-01,00-12345678901234567890123456789012-1234567890123456-01",
        ),
        (
            "a character of two bytes at a seam",
            "00é12345678901234567890123456789012-1234567890123456-01",
        ),
    ];

    #[test]
    fn what_the_recommendation_accepts_is_read() {
        for (name, value) in ACCEPTED {
            let read = Traceparent::parse(value.as_bytes()).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((read.trace_id, read.parent_id), (TRACE, PARENT), "{name}");
        }
    }

    #[test]
    fn what_the_recommendation_ignores_is_ignored() {
        for (name, value) in IGNORED {
            assert_eq!(Traceparent::parse(value.as_bytes()), None, "{name}");
        }
        assert_eq!(Traceparent::parse(b"00-\xff\xff"), None);
    }

    #[test]
    fn flags_are_read_as_they_are() {
        for (text, flags) in [("00", 0), ("01", 1), ("02", 2), ("ff", 0xff)] {
            let value = format!("00-{TRACE}-{PARENT}-{text}");
            assert_eq!(Traceparent::parse(value.as_bytes()).unwrap().flags, flags);
        }
    }
}
