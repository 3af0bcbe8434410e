//! Any text either parses as an instant in the years 1 to 9999 or does not; an instant's own text
//! round-trips, and sorts in the same order as the instants.
#![no_main]

use gatelog_record::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, i64, i64)| {
    let (text, one, other) = input;
    if let Ok(instant) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant), "{text:?}");
        assert!((Timestamp::FIRST..=Timestamp::LAST).contains(&instant), "{text:?}");
    }
    let one = Timestamp::from_unix_micros(one);
    let other = Timestamp::from_unix_micros(other);
    assert_eq!(one.text().len(), Timestamp::TEXT_LEN);
    assert_eq!(Timestamp::parse(&one.to_string()), Ok(one));
    assert_eq!(one.cmp(&other), one.text().cmp(&other.text()));
});
