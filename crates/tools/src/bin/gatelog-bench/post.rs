//! Posts batches over kept-alive connections, and times each acknowledgement.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep_until;

/// The outcome of some posts.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub(crate) took: Duration,
    /// Time from the first byte sent to the response, in milliseconds, sorted.
    pub(crate) acks: Vec<f64>,
}

/// Posts the bodies, distributed over the connections, as fast as they are acknowledged. With
/// `interval`, posts one per interval, whether or not the previous one is acknowledged (a body
/// whose connection is still busy waits, and its wait counts).
pub(crate) async fn post(
    to: SocketAddr,
    connections: usize,
    bodies: Vec<Vec<u8>>,
    interval: Option<Duration>,
) -> Result<Posted> {
    let started = Instant::now();
    let mut shares: Vec<Vec<(Instant, Vec<u8>)>> = (0..connections).map(|_| Vec::new()).collect();
    for (number, body) in bodies.into_iter().enumerate() {
        let due = started + interval.unwrap_or_default() * u32::try_from(number)?;
        shares[number % connections].push((due, body));
    }
    let mut running = tokio::task::JoinSet::new();
    for share in shares {
        running.spawn(post_share(to, share, interval.is_some()));
    }
    let mut acks = Vec::new();
    while let Some(done) = running.join_next().await {
        acks.extend(done??);
    }
    acks.sort_by(f64::total_cmp);
    Ok(Posted { took: started.elapsed(), acks })
}

async fn post_share(
    to: SocketAddr,
    share: Vec<(Instant, Vec<u8>)>,
    paced: bool,
) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut acks = Vec::with_capacity(share.len());
    for (due, body) in share {
        let mut since = Instant::now();
        if paced {
            sleep_until(due.into()).await;
            since = due;
        }
        let head = format!(
            "POST /v1/records HTTP/1.1\r\nhost: collector\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        answer(&mut stream).await?;
        acks.push(since.elapsed().as_secs_f64() * 1e3);
    }
    Ok(acks)
}

/// Reads one response, which must be 202.
async fn answer(stream: &mut TcpStream) -> Result<()> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            ensure!(head.starts_with("HTTP/1.1 202 "), "the collector answered:\n{text}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.context("no content-length")?.parse()? {
                return Ok(());
            }
        }
        ensure!(stream.read_buf(&mut bytes).await? > 0, "the collector closed the connection");
    }
}
