//! Envoy's attributes of an exchange, read in one hostcall.
//!
//! One hostcall per property would be most of a record's cost. Envoy's foreign functions
//! `expr_create` and `expr_evaluate` compile a CEL expression once, and then return a whole list in
//! one call for the price of three. If an exchange lacks one of the attributes, the list has no value:
//! then the same list is evaluated with each attribute guarded by `has`, which costs a little
//! more. On a host without expressions, each property is read separately.
//!
//! Source: Envoy, "Attributes", and `source/extensions/common/wasm/foreign.cc`.

use std::borrow::Cow;

use crate::envoy::headers::Headers;
use crate::envoy::property;
use crate::host::{HeaderMap, Host};

/// An attribute of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// The status; absent when there was no response.
    Status,
    /// Response flags, a bit each.
    Flags,
    /// The client's address and port.
    Source,
    /// The protocol's name.
    Protocol,
    /// The route's name.
    Route,
    /// The upstream cluster's name.
    Cluster,
    /// The upstream host's address and port.
    Upstream,
    /// Nanoseconds the upstream took; absent for local replies and aborts.
    UpstreamTime,
    /// How many times the upstream was tried.
    Attempts,
    /// Bytes received.
    RequestSize,
    /// Bytes sent.
    ResponseSize,
    /// Why the response has its status, and how it ended.
    Details,
    /// The response's `content-type`.
    ContentType,
    /// The response's `server-timing`, several joined by commas.
    ServerTiming,
}

/// The properties, in the order of [`Attribute`].
pub const PROPERTIES: [&str; 12] = [
    property::RESPONSE_CODE,
    property::RESPONSE_FLAGS,
    property::SOURCE_ADDRESS,
    property::REQUEST_PROTOCOL,
    property::ROUTE_NAME,
    property::CLUSTER_NAME,
    property::UPSTREAM_ADDRESS,
    property::RESPONSE_BACKEND_LATENCY,
    property::UPSTREAM_ATTEMPTS,
    property::REQUEST_TOTAL_SIZE,
    property::RESPONSE_TOTAL_SIZE,
    property::RESPONSE_CODE_DETAILS,
];

/// Response headers, after the properties in the order of [`Attribute`].
pub const HEADERS: [&str; 2] = ["content-type", "server-timing"];

/// Number of attributes.
const ATTRIBUTES: usize = PROPERTIES.len() + HEADERS.len();

/// The compiled expressions for the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// Evaluates to the list if all attributes are present.
    whole: Option<u32>,
    /// Evaluates to the list with an empty text for each absent attribute.
    guarded: Option<u32>,
}

impl Reader {
    /// Compiles the expressions on the host; they live as long as the root context.
    pub fn compile(host: &dyn Host) -> Self {
        // A header is seldom present, so it is guarded in both lists.
        let headers = HEADERS
            .map(|name| format!("'{name}' in response.headers ? response.headers['{name}'] : ''"));
        let list = |item: &dyn Fn(String) -> String| {
            let properties = PROPERTIES.iter().map(|path| item(path.replace('\0', ".")));
            let items: Vec<String> = properties.chain(headers.iter().cloned()).collect();
            host.compile(&format!("[{}]", items.join(", ")))
        };
        Self {
            whole: list(&|name| name),
            guarded: list(&|name| format!("has({name}) ? {name} : ''")),
        }
    }

    /// The list, in the host's encoding.
    pub fn read(&self, host: &dyn Host) -> Headers {
        if let Some(list) = host.attributes() {
            return list;
        }
        let mut expressions = [self.whole, self.guarded].into_iter().flatten();
        expressions.find_map(|expression| host.evaluate(expression)).unwrap_or_else(|| {
            let properties = PROPERTIES.map(|path| host.property(path).unwrap_or_default());
            let response = host.headers(HeaderMap::Response);
            let headers = HEADERS.map(|name| response.values(name).collect::<Vec<_>>().join(&b','));
            let values: Vec<_> =
                properties.into_iter().chain(headers).map(|value| (value, "")).collect();
            Headers::from_pairs(&values)
        })
    }
}

/// The attributes of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    values: [&'a [u8]; ATTRIBUTES],
}

impl<'a> Attributes<'a> {
    /// Reads a list; missing attributes are absent.
    pub fn of(list: &'a Headers) -> Self {
        let mut values = [&[][..]; ATTRIBUTES];
        for (value, (element, _)) in values.iter_mut().zip(list) {
            *value = element;
        }
        Self { values }
    }

    /// The bytes of an attribute, if present.
    pub fn bytes(&self, attribute: Attribute) -> Option<&'a [u8]> {
        self.values.get(attribute as usize).copied().filter(|value| !value.is_empty())
    }

    /// An integer, or a duration in nanoseconds.
    pub fn uint(&self, attribute: Attribute) -> Option<u64> {
        property::uint(self.bytes(attribute)?)
    }

    /// Text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, attribute: Attribute) -> Option<Cow<'a, str>> {
        self.bytes(attribute).map(String::from_utf8_lossy)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::plain_host::PlainHost;

    fn answered() -> PlainHost {
        let host = PlainHost::default();
        for path in PROPERTIES {
            host.set_bytes(path, path.as_bytes());
        }
        host.set_uint(property::RESPONSE_CODE, 200);
        let headers =
            [("content-type", "content-type"), ("server-timing", "a"), ("server-timing", "b")];
        host.set_map(HeaderMap::Response, &headers);
        host
    }

    /// What [`told`] tells of the host above.
    fn all() -> Vec<&'static str> {
        PROPERTIES.into_iter().skip(1).chain(["content-type", "a,b"]).collect()
    }

    fn told(host: &PlainHost) -> Vec<String> {
        let list = Reader::compile(host).read(host);
        let attributes = Attributes::of(&list);
        assert_eq!(attributes.uint(Attribute::Status), Some(200));
        let texts = attributes.values.iter().skip(1);
        texts.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_attribute_stands_in_its_place_however_it_was_read() {
        let host = answered();
        assert_eq!(told(&host), all());
        assert_eq!(host.expressions.get(), 1);
        host.no_expressions.set(true);
        assert_eq!(told(&host), all());
        let last = Attribute::Details as usize;
        assert_eq!(PROPERTIES[last], property::RESPONSE_CODE_DETAILS);
        assert_eq!(Attribute::ServerTiming as usize, ATTRIBUTES - 1);
    }

    #[test]
    fn an_attribute_that_is_not_there_leaves_the_others_where_they_are() {
        let host = answered();
        host.properties.borrow_mut().remove(property::UPSTREAM_ADDRESS);
        host.set_map(HeaderMap::Response, &[("server-timing", "a")]);
        let mut without = all();
        without[Attribute::Upstream as usize - 1] = "";
        without[Attribute::ContentType as usize - 1] = "";
        without[Attribute::ServerTiming as usize - 1] = "a";
        assert_eq!(told(&host), without);
        assert_eq!(host.expressions.get(), 2);
        host.no_expressions.set(true);
        assert_eq!(told(&host), without);
    }

    #[test]
    fn a_list_cut_short_or_too_long_is_no_fault() {
        for list in [Headers::default(), Headers::from_pairs(&[("x", ""); 64])] {
            let attributes = Attributes::of(&list);
            assert_eq!(attributes.uint(Attribute::Status), None);
        }
    }
}
