//! A TCP proxy between a sender and a collector that swallows some acknowledgements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One in so many is swallowed.
const ONE_IN: u8 = 4;

/// The proxy; it runs until this value is dropped.
pub(crate) struct Swallow {
    address: SocketAddr,
    swallowed: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Drop for Swallow {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Swallow {
    pub(crate) async fn start(target: SocketAddr, mut rng: fastrand::Rng) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let swallowed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&swallowed);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Whoever waits for an answer on a broken connection learns that there is none.
                tokio::spawn(relay(client, target, rng.fork(), Arc::clone(&count)));
            }
        });
        Self { address, swallowed, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many acknowledgements the collector gave that nobody has seen.
    pub(crate) fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::SeqCst)
    }
}

async fn relay(
    client: TcpStream,
    target: SocketAddr,
    mut rng: fastrand::Rng,
    swallowed: Arc<AtomicU64>,
) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut bytes = vec![0; 16 << 10];
        loop {
            let read = from_server.read(&mut bytes).await?;
            if read == 0 {
                return anyhow::Ok(());
            }
            // One request at a time: an answer begins where one is read.
            if bytes[..read].starts_with(b"HTTP/1.1 202") && rng.u8(..ONE_IN) == 0 {
                swallowed.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            to_client.write_all(&bytes[..read]).await?;
        }
    };
    tokio::select! {
        there = tokio::io::copy(&mut from_client, &mut to_server) => there.map(drop)?,
        ended = back => ended?,
    }
    Ok(())
}
