//! A name server that resolves every name to one address or to none, fails, or does not respond.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Its response to every question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The name resolves to the loopback address, with a TTL of one second.
    Loopback,
    /// The name does not exist (NXDOMAIN).
    Unknown,
    /// The server cannot answer (SERVFAIL).
    Failing,
    /// No response.
    Silent,
}

/// The server; it runs until this value is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    resolution: watch::Sender<Resolution>,
    server: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl NameServer {
    /// Starts one that resolves every name, on a free port (UDP).
    pub async fn start() -> Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
        let address = socket.local_addr()?;
        let (resolution, told) = watch::channel(Resolution::Loopback);
        let server = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut question).await {
                let question = question.get(..length).unwrap_or_default();
                let resolution = *told.borrow();
                if let Some(answer) = answer(question, resolution) {
                    // It does not matter if the client has gone.
                    drop(socket.send_to(&answer, client).await);
                }
            }
        });
        Ok(Self { address, resolution, server })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Responds this way from now on.
    pub fn says(&self, resolution: Resolution) {
        self.resolution.send_replace(resolution);
    }
}

/// Length of a message's header.
const HEADER: usize = 12;
/// Type and class of an IPv4 address.
const A_IN: [u8; 4] = [0, 1, 0, 1];
/// The name of the question, which starts right after the header.
const SAME_NAME: [u8; 2] = [0xc0, 0x0c];

/// The response to a message with one question (RFC 1035); `None` if it is not a question.
fn answer(message: &[u8], resolution: Resolution) -> Option<Vec<u8>> {
    let (header, rest) = message.split_at_checked(HEADER)?;
    // The root's empty label ends the name; type and class follow.
    let name = rest.iter().position(|byte| *byte == 0)? + 1;
    let question = rest.get(..name + A_IN.len())?;
    let code = match resolution {
        Resolution::Silent => return None,
        Resolution::Loopback => 0,
        Resolution::Failing => 2,
        Resolution::Unknown => 3,
    };
    let found = code == 0 && question.ends_with(&A_IN);
    let mut answer = header.get(..2)?.to_vec();
    // A response, recursion desired and available; one question, at most one answer.
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    answer.extend(question);
    if found {
        answer.extend(SAME_NAME);
        answer.extend(A_IN);
        answer.extend([0, 0, 0, 1, 0, 4]);
        answer.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.test`, with this type.
    fn question(kind: u8) -> Vec<u8> {
        let header = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        [&header[..], b"\x01a\x04test\x00", &[0, kind, 0, 1]].concat()
    }

    #[test]
    fn a_name_is_answered_with_an_address_and_for_other_types_with_none() {
        let found = answer(&question(1), Resolution::Loopback).unwrap();
        assert_eq!(found[..8], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1]);
        assert!(found.ends_with(&[0, 4, 127, 0, 0, 1]));
        let nothing = answer(&question(28), Resolution::Loopback).unwrap();
        assert_eq!(nothing[..8], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 0]);
    }

    #[test]
    fn an_unknown_name_a_failure_and_silence_differ() {
        assert_eq!(answer(&question(1), Resolution::Unknown).unwrap()[3], 0x83);
        assert_eq!(answer(&question(1), Resolution::Failing).unwrap()[3], 0x82);
        assert_eq!(answer(&question(1), Resolution::Silent), None);
        assert_eq!(answer(b"no question", Resolution::Loopback), None);
    }
}
