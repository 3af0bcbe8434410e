//! The messages with which a request is answered, in its own encoding. Source: opentelemetry-proto,
//! `logs_service.proto`; googleapis, `google/rpc/status.proto` and `code.proto`.

use serde_json::json;

use super::Outcome;
use super::wire::{put_bytes, put_tag, put_varint};

/// What a request in JSON without a log record is told: a reader must ignore unknown keys.
const NO_RECORD: &str = "no log record was found: keys must be in lowerCamelCase, as resourceLogs";

/// How a request is encoded, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

impl Encoding {
    /// The content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        }
    }

    /// `ExportLogsServiceResponse`; empty if every record was accepted. JSON without any record gets
    /// a warning.
    pub fn response(self, outcome: &Outcome) -> Vec<u8> {
        let rejected = outcome.rejected();
        match self {
            Encoding::Protobuf if rejected == 0 => Vec::new(),
            Encoding::Protobuf => {
                let (mut partial, mut response) = (Vec::new(), Vec::new());
                put_tag(1, 0, &mut partial);
                put_varint(rejected, &mut partial);
                put_bytes(2, outcome.message().as_bytes(), &mut partial);
                put_bytes(1, &partial, &mut response);
                response
            }
            Encoding::Json if outcome.accepted == 0 && rejected == 0 => {
                json!({"partialSuccess": {"errorMessage": NO_RECORD}}).to_string().into_bytes()
            }
            Encoding::Json if rejected == 0 => b"{}".to_vec(),
            Encoding::Json => json!({"partialSuccess": {
                "rejectedLogRecords": rejected.to_string(), "errorMessage": outcome.message(),
            }})
            .to_string()
            .into_bytes(),
        }
    }

    /// `google.rpc.Status`, with a code of gRPC.
    pub fn status(self, code: u8, message: &str) -> Vec<u8> {
        match self {
            Encoding::Protobuf => {
                let mut status = Vec::new();
                put_tag(1, 0, &mut status);
                put_varint(code.into(), &mut status);
                put_bytes(2, message.as_bytes(), &mut status);
                status
            }
            Encoding::Json => json!({"code": code, "message": message}).to_string().into_bytes(),
        }
    }
}
