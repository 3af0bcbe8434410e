//! `tail`: prints records as the collectors accept them.

mod show;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use clap::Args;
use gatelog_delivery::client::{Client, Target};
use gatelog_delivery::follow::{Listener, News, Room, follow};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Failure;
use super::query::QueryArgs;
use crate::config::Faults;

/// News of all collectors that wait to be printed. While it is full nothing more is read, and the
/// collectors skip records.
const WAITING: usize = 256;
/// Maximum bytes of records that have not come completely.
const ROOM_BYTES: usize = 64 << 20;
/// Maximum collectors.
const COLLECTORS: usize = 64;

/// Whose records to print, and which.
#[derive(Args, Clone, Debug)]
pub struct TailArgs {
    #[command(flatten)]
    query: QueryArgs,
    /// URL of a collector; give it once for each
    #[arg(
        long,
        value_name = "URL",
        env = "GATELOG_URL",
        default_value = "http://127.0.0.1:8686",
        value_delimiter = ','
    )]
    collector: Vec<String>,
    /// File with a bearer token of the collectors that may read: the first word of its first line
    /// that is neither empty nor a comment (#)
    #[arg(long, value_name = "FILE", env = "GATELOG_TOKENS_FILE")]
    token_file: Option<PathBuf>,
    /// CA certificates (PEM) for the collectors' certificates; required for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate (PEM), if the collectors require one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The full records, one JSON object per line
    #[arg(long)]
    json: bool,
}

impl TailArgs {
    /// The path to ask for, and a client of each collector.
    fn targets(&self) -> Result<(String, Vec<Client>), Faults> {
        let mut faults = Faults::default();
        let query = self.query.query(&mut faults);
        if self.collector.len() > COLLECTORS {
            faults.add_rule(format!("--collector: at most {COLLECTORS} can be followed at once"));
        }
        let token_file = self.token_file.clone().filter(|file| !file.as_os_str().is_empty());
        let mut clients = Vec::new();
        for url in self.collector.iter().take(COLLECTORS) {
            let target = Target {
                url: url.clone(),
                token_file: token_file.clone(),
                token: None,
                ca: self.ca.clone(),
                identity: self.cert.clone().zip(self.key.clone()),
            };
            match Client::new(&target) {
                Ok(client) => clients.push(client),
                Err(error) => faults.add_rule(error),
            }
        }
        match query {
            Some(query) if faults.is_empty() => {
                let mut path = form_urlencoded::Serializer::new("/v1/tail?".to_owned());
                Ok((path.append_pair("query", &query.to_string()).finish(), clients))
            }
            _ => Err(faults),
        }
    }
}

/// News of one collector, on their way to be printed.
struct Teller {
    url: String,
    out: mpsc::Sender<(String, News)>,
}

impl Listener for Teller {
    async fn hear(&mut self, news: News) -> bool {
        let refused = matches!(news, News::Refused(_));
        self.out.send((self.url.clone(), news)).await.is_ok() && !refused
    }
}

/// Prints records until it is interrupted, or nobody reads them.
///
/// # Errors
///
/// An argument is invalid, or a collector refuses.
pub async fn run(args: &TailArgs) -> Result<(), Failure> {
    let (path, clients) = args.targets()?;
    let (sender, mut news) = mpsc::channel(WAITING);
    let mut followers = JoinSet::new();
    let room = Room::of(ROOM_BYTES);
    for client in clients {
        let (path, room, out) = (path.clone(), room.clone(), sender.clone());
        followers.spawn(async move {
            let url = client.url().to_owned();
            follow(&client, &path, &room, &mut Teller { url, out }).await;
        });
    }
    drop(sender);
    let mut out = io::stdout().lock();
    while let Some((url, news)) = news.recv().await {
        let note = |text: &str| {
            eprintln!("{}: {}", url.escape_debug(), text.escape_debug());
            Ok(())
        };
        let shown = match news {
            News::Record(line) => show::record(&mut out, &line, args.json),
            News::Following => note("following"),
            News::Skipped(records) => {
                note(&format!("{records} records skipped: too many to show them all"))
            }
            News::Lost(text) => note(&format!("{text}; trying again until it answers")),
            News::Refused(text) => {
                let (url, text) = (url.escape_debug(), text.escape_debug());
                return Err(Failure::failed(format!("{url}: {text}")));
            }
        };
        match shown.and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    Ok(())
}
