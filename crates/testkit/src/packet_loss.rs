//! A lossy network: the kernel randomly drops some packets to and from a port of this machine, and
//! TCP reacts as it would on a real one. Needs root and the `nft` command, or a network namespace
//! with root: `scripts/chaos.sh` creates one.

use std::io::Write;
use std::process::{Command, Stdio, id};

use anyhow::{Context, Result, ensure};

/// Drops packets until this value is dropped.
#[derive(Debug)]
pub struct PacketLoss {
    table: String,
}

impl Drop for PacketLoss {
    fn drop(&mut self) {
        if let Err(error) = nft(&format!("delete table inet {}\n", self.table)) {
            eprintln!("packets are still being lost: {error:#}");
        }
    }
}

impl PacketLoss {
    /// Starts dropping this percentage of the packets of TCP connections to and from `port`.
    pub fn start(port: u16, percent: u8) -> Result<Self> {
        let table = format!("gatelog_loss_{}_{port}", id());
        let lost = format!("numgen random mod 100 < {percent} counter drop");
        nft(&format!(
            "table inet {table} {{
                chain input {{
                    type filter hook input priority filter;
                    tcp dport {port} {lost}
                    tcp sport {port} {lost}
                }}
            }}\n"
        ))
        .context("losing packets needs root and nftables, or 'make chaos'")?;
        Ok(Self { table })
    }

    /// The number of packets dropped so far.
    pub fn lost(&self) -> Result<u64> {
        let listed = Command::new("nft").args(["list", "table", "inet", &self.table]).output()?;
        let text = String::from_utf8(listed.stdout)?;
        let counts = text.split("counter packets ").skip(1);
        Ok(counts.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).sum())
    }
}

/// Passes a script to `nft`.
fn nft(script: &str) -> Result<()> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting 'nft' (Debian package nftables)")?;
    // Dropped at once, to mark the end of the script.
    nft.stdin.take().context("no standard input")?.write_all(script.as_bytes())?;
    let done = nft.wait_with_output()?;
    ensure!(done.status.success(), "nft: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}
