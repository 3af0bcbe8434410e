//! What both kinds of stream give: attributes and times, read into the core's forms.

use gatelog::envoy::attributes::HEADERS;
use gatelog::envoy::headers::Headers;
use gatelog::envoy::property;

use super::list::List;
use crate::abi::attribute::Attribute;
use crate::abi::timing::Timing;

/// A stream, as the HTTP filter or an access logger sees it.
pub(super) trait Source {
    /// Appends an attribute that is text; whether it is there.
    fn append_text(&self, attribute: Attribute, to: &mut Vec<u8>) -> bool;

    /// An attribute that is a number.
    fn uint(&self, attribute: Attribute) -> Option<u64>;

    /// When what happened.
    fn timing(&self) -> Timing;

    /// Appends the values of a header of the response, joined by commas.
    fn append_response_header(&self, name: &str, to: &mut Vec<u8>);
}

/// A property, in the form that the wasm filter's host has it.
pub(super) fn property(source: &impl Source, path: &str) -> Option<Vec<u8>> {
    let text = |attribute| {
        let mut value = Vec::new();
        source.append_text(attribute, &mut value).then_some(value)
    };
    let time = |time: Option<u64>| time.map(|time| time.to_le_bytes().to_vec());
    match path {
        property::SOURCE_ADDRESS => text(Attribute::Source),
        property::UPSTREAM_TRANSPORT_FAILURE => text(Attribute::UpstreamFailure),
        property::REQUEST_TIME => time(source.timing().start_unix_ns()),
        property::REQUEST_DURATION => time(source.timing().complete_ns()),
        _ => None,
    }
}

/// The list of attributes, in the order of the core's `Attribute`.
pub(super) fn attributes(source: &impl Source) -> Headers {
    let mut list = List::new();
    let text = |list: &mut List, attribute| {
        list.push(|bytes| {
            source.append_text(attribute, bytes);
        });
    };
    list.uint(source.uint(Attribute::Status));
    list.uint(source.uint(Attribute::Flags));
    text(&mut list, Attribute::Source);
    text(&mut list, Attribute::Protocol);
    text(&mut list, Attribute::Route);
    text(&mut list, Attribute::Cluster);
    text(&mut list, Attribute::Upstream);
    list.uint(source.timing().upstream_ns());
    list.uint(source.uint(Attribute::Attempts));
    list.uint(source.uint(Attribute::RequestTotalSize));
    list.uint(source.uint(Attribute::ResponseTotalSize));
    text(&mut list, Attribute::Details);
    for name in HEADERS {
        list.push(|bytes| source.append_response_header(name, bytes));
    }
    list.finish()
}

#[cfg(test)]
mod tests {
    use gatelog::envoy::attributes::{Attribute as Wanted, Attributes, PROPERTIES};

    use super::*;

    /// A stream whose every text is its attribute's number, and every number too.
    struct Numbers;

    impl Source for Numbers {
        fn append_text(&self, attribute: Attribute, to: &mut Vec<u8>) -> bool {
            to.extend_from_slice((attribute as u32).to_string().as_bytes());
            true
        }

        fn uint(&self, attribute: Attribute) -> Option<u64> {
            Some(u64::from(attribute as u32))
        }

        fn timing(&self) -> Timing {
            let mut timing = Timing::none();
            timing.set_upstream(5_000, 7_500);
            timing
        }

        fn append_response_header(&self, name: &str, to: &mut Vec<u8>) {
            to.extend_from_slice(name.as_bytes());
        }
    }

    #[test]
    fn each_attribute_stands_where_the_core_looks_for_it() {
        let list = attributes(&Numbers);
        let read = Attributes::of(&list);
        assert_eq!(list.iter().count(), PROPERTIES.len() + HEADERS.len());
        for (wanted, number) in [
            (Wanted::Source, Attribute::Source),
            (Wanted::Protocol, Attribute::Protocol),
            (Wanted::Route, Attribute::Route),
            (Wanted::Cluster, Attribute::Cluster),
            (Wanted::Upstream, Attribute::Upstream),
            (Wanted::Details, Attribute::Details),
        ] {
            assert_eq!(read.text(wanted).unwrap(), (number as u32).to_string(), "{wanted:?}");
        }
        for (wanted, number) in [
            (Wanted::Status, Attribute::Status as u64),
            (Wanted::Flags, Attribute::Flags as u64),
            (Wanted::Attempts, Attribute::Attempts as u64),
            (Wanted::RequestSize, Attribute::RequestTotalSize as u64),
            (Wanted::ResponseSize, Attribute::ResponseTotalSize as u64),
            (Wanted::UpstreamTime, 2_500),
        ] {
            assert_eq!(read.uint(wanted), Some(number), "{wanted:?}");
        }
        assert_eq!(read.text(Wanted::ContentType).unwrap(), "content-type");
        assert_eq!(read.text(Wanted::ServerTiming).unwrap(), "server-timing");
    }
}
