//! A TCP proxy between a collector and the database that tells when what passes.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Something that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Records on their way to the database.
    Insert,
    /// The answer, after which the collector settles them.
    Inserted,
    /// Rollups on their way to the database.
    Rollup,
    /// The answer, after which the collector may put them away.
    RolledUp,
}

impl Moment {
    const ALL: [Moment; 4] = [Moment::Insert, Moment::Inserted, Moment::Rollup, Moment::RolledUp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Moment::Insert => "insert",
            Moment::Inserted => "inserted",
            Moment::Rollup => "rollup",
            Moment::RolledUp => "rolled up",
        }
    }

    /// What a message of the collector is. Its command and collection are at its beginning.
    fn of(message: &[u8]) -> Option<Self> {
        let begin = &message[..message.len().min(200)];
        let holds = |text: &[u8]| begin.windows(text.len()).any(|part| part == text);
        let named = |command: &[u8], collection: &[u8]| holds(command) && holds(collection);
        if named(b"\x02insert\0", b"_logs\0") {
            Some(Moment::Insert)
        } else if named(b"\x02update\0", b"gatelog_rollups\0") {
            Some(Moment::Rollup)
        } else {
            None
        }
    }

    fn answer(self) -> Self {
        match self {
            Moment::Insert | Moment::Inserted => Moment::Inserted,
            Moment::Rollup | Moment::RolledUp => Moment::RolledUp,
        }
    }
}

/// The proxy; it runs until this value is dropped.
pub(crate) struct Moments {
    address: SocketAddr,
    told: Arc<[Notify; 4]>,
    server: JoinHandle<()>,
}

impl Drop for Moments {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Moments {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let told: Arc<[Notify; 4]> = Arc::default();
        let tell = Arc::clone(&told);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A broken connection is left for the driver to notice.
                tokio::spawn(relay(client, target, Arc::clone(&tell)));
            }
        });
        Self { address, told, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends when this passes the next time, counted from this call.
    pub(crate) fn next(&self, moment: Moment) -> impl Future<Output = ()> + use<> {
        let told = Arc::clone(&self.told);
        let mut next = Box::pin(async move { told[index(moment)].notified().await });
        // It is listening once it was polled.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = next.as_mut().poll(&mut context);
        next
    }
}

fn index(moment: Moment) -> usize {
    Moment::ALL.iter().position(|one| *one == moment).unwrap()
}

async fn relay(client: TcpStream, target: SocketAddr, told: Arc<[Notify; 4]>) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // A connection has one command at a time.
    let asked = std::sync::Mutex::new(None);
    let there = async {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let read = from_client.read(&mut bytes).await?;
            if read == 0 {
                return anyhow::Ok(());
            }
            if let Some(moment) = Moment::of(&bytes[..read]) {
                *asked.lock().unwrap() = Some(moment.answer());
                told[index(moment)].notify_waiters();
            }
            to_server.write_all(&bytes[..read]).await?;
        }
    };
    let back = async {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let read = from_server.read(&mut bytes).await?;
            if read == 0 {
                return anyhow::Ok(());
            }
            to_client.write_all(&bytes[..read]).await?;
            if let Some(moment) = asked.lock().unwrap().take() {
                told[index(moment)].notify_waiters();
            }
        }
    };
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
    }
}
