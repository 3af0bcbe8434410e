//! A TCP proxy that does to connections what networks and sick servers do.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What happens to connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    #[default]
    None,
    /// They are closed at once.
    Cut,
    /// They are taken, and nothing ever comes back.
    Silent,
    /// Every piece of bytes takes so much longer, each way.
    Delay(Duration),
    /// At most so many bytes a second pass, each way.
    Throttle(usize),
    /// They are closed after so many bytes from the server.
    ClosedAfter(usize),
    /// Once a request has begun they get these bytes as their answer, and are closed.
    Answer(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Setting {
    target: SocketAddr,
    fault: Fault,
}

/// The proxy, as long as this value lives.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    setting: watch::Sender<Setting>,
    server: JoinHandle<()>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FaultProxy {
    /// One that passes everything on to `target`.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (setting, watched) = watch::channel(Setting { target, fault: Fault::None });
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut watched = watched.clone();
                tokio::spawn(async move {
                    let setting = watched.borrow_and_update().clone();
                    // A change ends the connections that live under the former setting.
                    tokio::select! {
                        _ = watched.changed() => {}
                        _ = pass(client, setting) => {}
                    }
                });
            }
        });
        Ok(Self { address, setting, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this happens; connections that exist are closed.
    pub fn fault(&self, fault: Fault) {
        self.setting.send_modify(|setting| setting.fault = fault);
    }

    /// From now on connections lead there; those that exist are closed.
    pub fn lead_to(&self, target: SocketAddr) {
        self.setting.send_modify(|setting| setting.target = target);
    }
}

async fn pass(mut client: TcpStream, setting: Setting) -> Result<()> {
    match setting.fault {
        Fault::Cut => return Ok(()),
        Fault::Silent => {
            let mut bytes = [0; 4096];
            while client.read(&mut bytes).await? > 0 {}
            return Ok(());
        }
        Fault::Answer(answer) => {
            let mut bytes = [0; 4096];
            if client.read(&mut bytes).await? > 0 {
                client.write_all(&answer).await?;
            }
            return Ok(());
        }
        Fault::None | Fault::Delay(_) | Fault::Throttle(_) | Fault::ClosedAfter(_) => {}
    }
    let server = TcpStream::connect(setting.target).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = copy(from_client, to_server, &setting.fault, usize::MAX);
    let allowance = if let Fault::ClosedAfter(bytes) = setting.fault { bytes } else { usize::MAX };
    let back = copy(from_server, to_client, &setting.fault, allowance);
    tokio::select! {
        done = there => done,
        done = back => done,
    }
}

/// Copies until the end, or until `allowance` bytes have passed.
async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    fault: &Fault,
    mut allowance: usize,
) -> Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    while allowance > 0 {
        let most = if let Fault::Throttle(rate) = fault { (rate / 10).max(1) } else { bytes.len() };
        let window = bytes.get_mut(..most.min(16 * 1024)).unwrap_or_default();
        let read = from.read(window).await?;
        if read == 0 {
            return Ok(());
        }
        match fault {
            Fault::Delay(delay) => sleep(*delay).await,
            Fault::Throttle(_) => sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        let passed = read.min(allowance);
        to.write_all(window.get(..passed).unwrap_or_default()).await?;
        allowance -= passed;
    }
    Ok(())
}
