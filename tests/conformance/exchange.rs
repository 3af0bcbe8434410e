//! The state of one exchange, as the proxy exposes it to the filter.

use std::collections::BTreeMap;

use proxy_wasm_host::abi::v0_2_1::types::{MapType, Status};
use proxy_wasm_host::abi::v0_2_1::{Access, Callback, Invocation, StreamState};
use proxy_wasm_host::{HeaderMap, VecHeaderMap};
use serde_json::Value;

/// One exchange.
#[derive(Default)]
pub(crate) struct Exchange {
    request: VecHeaderMap,
    response: VecHeaderMap,
    properties: BTreeMap<String, Vec<u8>>,
    published: BTreeMap<String, Vec<u8>>,
    /// Reads and writes that the ABI does not allow in the callback where the filter tried them.
    pub(crate) violations: Vec<String>,
}

fn map(pairs: &[(&str, &[u8])]) -> VecHeaderMap {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect()
}

impl Exchange {
    /// `GET path` with these headers, answered with 200 by a service; the proxy has the properties
    /// that Envoy has, too.
    pub(crate) fn ordinary(path: &str, headers: &[(&str, &[u8])]) -> Self {
        let pseudo: [(&str, &[u8]); 4] = [
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"api.example.com"),
            (":path", path.as_bytes()),
        ];
        let response: [(&str, &[u8]); 2] = [(":status", b"200"), ("server-timing", b"db;dur=12.5")];
        Self {
            request: map(&[&pseudo, headers].concat()),
            response: map(&response),
            ..Self::default()
        }
        .with("request.protocol", b"HTTP/2")
        .with("source.address", b"192.0.2.9:51234")
        .with("response.code", &200_u64.to_le_bytes())
        .with("response.flags", &0_u64.to_le_bytes())
        .with("response.total_size", &1_024_u64.to_le_bytes())
        .with("xds.route_name", b"conversations")
    }

    /// With a property.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &[u8]) -> Self {
        self.properties.insert(name.to_owned(), value.to_vec());
        self
    }

    /// The only value of a header that goes to the service.
    pub(crate) fn sent(&self, name: &str) -> String {
        value(&self.request, name)
    }

    /// The only value of a header that the client gets.
    pub(crate) fn answered(&self, name: &str) -> String {
        value(&self.response, name)
    }

    /// The record that the filter published for the access log.
    pub(crate) fn record(&self) -> Value {
        let line = self.published.get("gatelog").expect("no record was published");
        serde_json::from_slice(line).expect("the record is JSON")
    }
}

fn value(map: &VecHeaderMap, name: &str) -> String {
    let value = map.get(name.as_bytes()).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(value.into_owned()).unwrap()
}

fn dotted(path: &[&[u8]]) -> String {
    path.iter().map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>().join(".")
}

impl StreamState for Exchange {
    fn header_map(
        &mut self,
        call: Invocation,
        access: Access,
        map: MapType,
    ) -> Result<&mut dyn HeaderMap, Status> {
        use Callback::{Log, RequestHeaders, ResponseHeaders};
        // The ABI: written in their own callback, read there and at the log.
        match (map, call.callback, access) {
            (MapType::HttpRequestHeaders, Some(RequestHeaders), _)
            | (MapType::HttpRequestHeaders, Some(Log), Access::Read) => Ok(&mut self.request),
            (MapType::HttpResponseHeaders, Some(ResponseHeaders), _)
            | (MapType::HttpResponseHeaders, Some(Log), Access::Read) => Ok(&mut self.response),
            _ => {
                self.violations.push(format!("{access:?} of {map:?} in {:?}", call.callback));
                Err(Status::BadArgument)
            }
        }
    }

    fn property(&mut self, _: Invocation, path: &[&[u8]], out: &mut Vec<u8>) -> Result<(), Status> {
        let value = self.properties.get(&dotted(path)).ok_or(Status::NotFound)?;
        out.extend_from_slice(value);
        Ok(())
    }

    fn set_property(&mut self, _: Invocation, path: &[&[u8]], value: &[u8]) -> Result<(), Status> {
        self.published.insert(dotted(path), value.to_vec());
        Ok(())
    }
}
