//! A TCP proxy that injects the faults of networks and failing servers.

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
    /// Nothing: bytes pass through.
    #[default]
    None,
    /// They are closed immediately.
    Cut,
    /// They are accepted, but nothing is ever sent back.
    Silent,
    /// Every chunk is delayed by this much, in each direction.
    Delay(Duration),
    /// At most this many bytes per second pass, in each direction.
    Throttle(usize),
    /// They are closed after this many bytes from the server.
    ClosedAfter(usize),
    /// Once a request has begun, these bytes are sent as the response and the connection is closed.
    Answer(Vec<u8>),
    /// The same, but the connection is reset (TCP RST) instead of closed.
    Reset(Vec<u8>),
    /// What the server sends is delayed by this much.
    LateAnswer(Duration),
    /// What the server sends arrives byte by byte, with this pause after each.
    Dribble(Duration),
}

#[derive(Clone, Debug)]
struct Setting {
    target: SocketAddr,
    fault: Fault,
}

/// The proxy; it runs until this value is dropped.
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
    /// Starts a proxy that passes everything on to `target`.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (setting, watched) = watch::channel(Setting { target, fault: Fault::None });
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut watched = watched.clone();
                tokio::spawn(async move {
                    let setting = watched.borrow_and_update().clone();
                    // A change closes the connections made under the previous setting.
                    tokio::select! {
                        _ = watched.changed() => {}
                        _ = pass(client, setting) => {}
                    }
                });
            }
        });
        Ok(Self { address, setting, server })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Injects this fault from now on; existing connections are closed.
    pub fn fault(&self, fault: Fault) {
        self.setting.send_modify(|setting| setting.fault = fault);
    }

    /// Forwards connections to this target from now on; existing connections are closed.
    pub fn lead_to(&self, target: SocketAddr) {
        self.setting.send_modify(|setting| setting.target = target);
    }
}

async fn pass(mut client: TcpStream, setting: Setting) -> Result<()> {
    match setting.fault {
        Fault::Cut => Ok(()),
        Fault::Silent => {
            let mut bytes = [0; 4096];
            while client.read(&mut bytes).await? > 0 {}
            Ok(())
        }
        Fault::Answer(answer) => answer_with(&mut client, &answer).await,
        Fault::Reset(answer) => {
            answer_with(&mut client, &answer).await?;
            // The written bytes must have left before the reset discards them.
            sleep(Duration::from_millis(20)).await;
            client.set_zero_linger()?;
            Ok(())
        }
        fault => relay(client, setting.target, &fault).await,
    }
}

async fn answer_with(client: &mut TcpStream, answer: &[u8]) -> Result<()> {
    let mut bytes = [0; 4096];
    if client.read(&mut bytes).await? > 0 {
        client.write_all(answer).await?;
    }
    Ok(())
}

/// How bytes are copied in one direction.
#[derive(Clone, Copy)]
struct Pace {
    /// Maximum bytes at once.
    piece: usize,
    /// Before each piece.
    pause: Duration,
    /// Maximum bytes in total.
    allowance: usize,
}

/// Maximum bytes copied at once.
const PIECE: usize = 16 * 1024;

/// Copies in both directions, subject to the fault, until one side closes.
async fn relay(client: TcpStream, target: SocketAddr, fault: &Fault) -> Result<()> {
    let free = Pace { piece: PIECE, pause: Duration::ZERO, allowance: usize::MAX };
    let (there, back) = match *fault {
        Fault::Delay(pause) => (Pace { pause, ..free }, Pace { pause, ..free }),
        Fault::Throttle(bytes_a_second) => {
            let piece = (bytes_a_second / 10).clamp(1, PIECE);
            let slow = Pace { piece, pause: Duration::from_millis(100), ..free };
            (slow, slow)
        }
        Fault::ClosedAfter(allowance) => (free, Pace { allowance, ..free }),
        Fault::LateAnswer(pause) => (free, Pace { pause, ..free }),
        Fault::Dribble(pause) => (free, Pace { piece: 1, pause, ..free }),
        _ => (free, free),
    };
    let server = TcpStream::connect(target).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        done = copy(from_client, to_server, there) => done,
        done = copy(from_server, to_client, back) => done,
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut pace: Pace,
) -> Result<()> {
    let mut bytes = vec![0; pace.piece];
    while pace.allowance > 0 {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        if !pace.pause.is_zero() {
            sleep(pace.pause).await;
        }
        let passed = read.min(pace.allowance);
        to.write_all(bytes.get(..passed).unwrap_or_default()).await?;
        pace.allowance -= passed;
    }
    Ok(())
}
