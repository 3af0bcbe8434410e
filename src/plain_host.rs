//! A host over plain data, for tests of the core.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::envoy::headers::Headers;
use crate::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};

/// A callout as it was made.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) token: u32,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Sent {
    /// The lines after the batch's header.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        self.body.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The batch's header.
    pub(crate) fn header(&self) -> gatelog_record::BatchHeader {
        gatelog_record::BatchHeader::decode(self.body.lines().next().unwrap().as_bytes()).unwrap()
    }
}

/// Names and values of a map.
type Pairs = Vec<(String, Vec<u8>)>;

/// What a test sets and sees of the proxy.
#[derive(Default)]
pub(crate) struct PlainHost {
    pub(crate) unix_ns: Cell<u64>,
    pub(crate) monotonic_ns: Cell<u64>,
    pub(crate) maps: RefCell<HashMap<HeaderMap, Pairs>>,
    pub(crate) properties: RefCell<HashMap<String, Vec<u8>>>,
    pub(crate) filter_state: RefCell<HashMap<String, Vec<u8>>>,
    pub(crate) sent: RefCell<Vec<Sent>>,
    pub(crate) refuse_dispatch: Cell<Option<Refused>>,
    pub(crate) refuse_changes: Cell<bool>,
    pub(crate) metrics: RefCell<Vec<(String, i64)>>,
    pub(crate) log: RefCell<Vec<String>>,
    /// What `jwt_authn` verified, by the property's path.
    claims: RefCell<HashMap<String, serde_json::Value>>,
    /// Whether the host supports no expressions.
    pub(crate) no_expressions: Cell<bool>,
    /// What `jwt_authn` verified, on a host that has it as JSON.
    pub(crate) verified: RefCell<Option<serde_json::Value>>,
    compiled: RefCell<Vec<String>>,
    /// Number of expressions evaluated.
    pub(crate) expressions: Cell<usize>,
    random: Cell<u64>,
    tokens: Cell<u32>,
}

impl PlainHost {
    pub(crate) fn set_map(&self, map: HeaderMap, pairs: &[(&str, &str)]) {
        let pairs =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        self.maps.borrow_mut().insert(map, pairs.collect());
    }

    pub(crate) fn set_uint(&self, property: &str, value: u64) {
        self.set_bytes(property, &value.to_le_bytes());
    }

    pub(crate) fn set_bytes(&self, property: &str, value: &[u8]) {
        self.properties.borrow_mut().insert(property.to_owned(), value.to_vec());
    }

    /// A claim of the exchange's token; as a property it is its bytes, without a type.
    pub(crate) fn set_claim(&self, property: &str, value: serde_json::Value) {
        self.set_bytes(property, &claim_elements(&value).1);
        self.claims.borrow_mut().insert(property.to_owned(), value);
    }

    pub(crate) fn text(&self, map: HeaderMap, name: &str) -> Option<String> {
        self.header(map, name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    pub(crate) fn advance_ms(&self, milliseconds: u64) {
        self.monotonic_ns.set(self.monotonic_ns.get() + milliseconds * 1_000_000);
        self.unix_ns.set(self.unix_ns.get() + milliseconds * 1_000_000);
    }

    pub(crate) fn metric(&self, name: &str) -> i64 {
        let name = format!("gatelog.{name}");
        self.metrics.borrow().iter().find(|(own, _)| *own == name).map_or(0, |(_, value)| *value)
    }

    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        self.sent.take()
    }

    /// The journal's records, as the access logger would print them.
    pub(crate) fn journal(&self) -> Vec<serde_json::Value> {
        let lines = self.filter_state.borrow_mut().remove(crate::host::FILTER_STATE);
        let text = String::from_utf8(lines.unwrap_or_default()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl PlainHost {
    /// An element of a list of claims: a tag, or the value of a text or a number.
    fn claim(&self, element: &str) -> Vec<u8> {
        let place = element.rsplit("type(").next().unwrap();
        let place = place.split(") == double").next().unwrap();
        let steps = place.strip_prefix("metadata.filter_metadata['").unwrap();
        let steps = steps.strip_suffix("']").unwrap().split("']['").map(unescaped);
        let path = ["metadata", "filter_metadata"].map(str::to_owned).into_iter().chain(steps);
        let claims = self.claims.borrow();
        let Some(value) = claims.get(&path.collect::<Vec<_>>().join("\0")) else {
            return Vec::new();
        };
        let (tag, bytes) = claim_elements(value);
        match tag {
            "" => Vec::new(),
            _ if element.contains(" ? 's' : ") => tag.into(),
            _ => bytes,
        }
    }
}

/// The tag and the property's bytes of a claim, as Envoy has them.
fn claim_elements(value: &serde_json::Value) -> (&'static str, Vec<u8>) {
    use serde_json::Value;
    match value {
        Value::String(text) => ("s", text.clone().into_bytes()),
        Value::Number(number) => ("d", number.as_f64().unwrap().to_le_bytes().to_vec()),
        Value::Bool(truth) => ("", vec![u8::from(*truth)]),
        Value::Null => ("", Vec::new()),
        Value::Array(_) | Value::Object(_) => ("", b"\x01\0\0\0".to_vec()),
    }
}

/// A CEL literal's text, its `\U` escapes read.
fn unescaped(literal: &str) -> String {
    let mut parts = literal.split("\\U");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(8);
        text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        text.push_str(rest);
    }
    text
}

impl Host for PlainHost {
    fn unix_nanos(&self) -> u64 {
        self.unix_ns.get()
    }

    fn monotonic_nanos(&self) -> u64 {
        self.monotonic_ns.get()
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            self.random
                .set(self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            *byte = (self.random.get() >> 56) as u8;
        }
    }

    fn headers(&self, map: HeaderMap) -> Headers {
        let maps = self.maps.borrow();
        maps.get(&map).map(|pairs| Headers::from_pairs(pairs)).unwrap_or_default()
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        self.headers(map).get(name).map(<[u8]>::to_vec)
    }

    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), Refused> {
        self.remove_header(map, name)?;
        self.maps.borrow_mut().entry(map).or_default().push((name.to_owned(), value.to_vec()));
        Ok(())
    }

    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), Refused> {
        if self.refuse_changes.get() {
            return Err(Refused::Other(12));
        }
        self.maps.borrow_mut().entry(map).or_default().retain(|(own, _)| own != name);
        Ok(())
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        self.properties.borrow().get(path).cloned()
    }

    fn compile(&self, expression: &str) -> Option<u32> {
        let mut compiled = self.compiled.borrow_mut();
        compiled.push(expression.to_owned());
        u32::try_from(compiled.len()).ok().filter(|_| !self.no_expressions.get())
    }

    fn evaluate(&self, expression: u32) -> Option<Headers> {
        self.expressions.set(self.expressions.get() + 1);
        let compiled = self.compiled.borrow();
        let list = compiled[expression as usize - 1].trim_matches(['[', ']']);
        // Either the name, or `has(name) ? name : ''`, or `'name' in response.headers ? … : ''`.
        let value = |item: &str| {
            if let Some((name, _)) = item.split_once("' in response.headers ? ") {
                let headers = self.headers(HeaderMap::Response);
                let values: Vec<_> = headers.values(name.trim_matches('\'')).collect();
                return Some((values.join(&b','), ""));
            }
            if item.contains("type(") {
                return Some((self.claim(item), ""));
            }
            let (name, guarded) = match item.split_once(" ? ") {
                Some((_, rest)) => (rest.strip_suffix(" : ''")?, true),
                None => (item, false),
            };
            let found = self.property(&name.replace('.', "\0"));
            found.or_else(|| guarded.then(Vec::new)).map(|value| (value, ""))
        };
        let values: Option<Vec<_>> = list.split(", ").map(value).collect();
        values.map(|values| Headers::from_pairs(&values))
    }

    fn verified_claims(&self) -> Option<serde_json::Value> {
        self.verified.borrow().clone()
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
        self.filter_state.borrow_mut().insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn dispatch(&self, callout: &Callout<'_>) -> Result<u32, Refused> {
        if let Some(refused) = self.refuse_dispatch.get() {
            return Err(refused);
        }
        let mut sent = self.sent.borrow_mut();
        let token = self.tokens.get() + 1;
        self.tokens.set(token);
        let headers =
            callout.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        sent.push(Sent {
            token,
            headers: headers.collect(),
            body: String::from_utf8(callout.body.to_vec()).unwrap(),
        });
        Ok(token)
    }

    fn define_metric(&self, _kind: MetricKind, name: &str) -> Option<u32> {
        self.metrics.borrow_mut().push((name.to_owned(), 0));
        u32::try_from(self.metrics.borrow().len()).ok()
    }

    fn add_metric(&self, metric: u32, delta: i64) {
        self.metrics.borrow_mut()[metric as usize - 1].1 += delta;
    }

    fn record_metric(&self, metric: u32, _value: u64) {
        self.metrics.borrow_mut()[metric as usize - 1].1 += 1;
    }

    fn log(&self, _severity: Severity, line: &str) {
        self.log.borrow_mut().push(line.to_owned());
    }

    fn set_tick(&self, _period_ms: u32) {}
}
