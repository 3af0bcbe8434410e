//! Envoy's attributes.

/// Attributes by their number in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Attribute {
    Protocol = 10,
    RequestTotalSize = 14,
    Status = 15,
    Details = 16,
    Flags = 17,
    ResponseTotalSize = 22,
    Source = 24,
    Upstream = 41,
    UpstreamFailure = 52,
    Attempts = 53,
    Cluster = 57,
    Route = 61,
}
