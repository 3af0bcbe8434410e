//! A proxy in front of a MongoDB server that refuses inserts with a given code: as a whole, as a
//! fail point does, or each document separately (`writeErrors`), which no fail point can do.
//! Everything else passes through. It counts refusals, so that a test can wait until one has
//! occurred.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Document, doc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// Maximum message length: MongoDB's own limit.
const LONGEST: usize = 48 << 20;
/// Length, request id, response to, opcode: four little-endian numbers of four bytes.
const HEADER: usize = 16;
/// The opcode of every message since MongoDB 3.6.
const OP_MSG: i32 = 2013;

/// How an insert is refused, with MongoDB's error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The command fails.
    Whole(i32),
    /// The command succeeds, but every document fails.
    EachDocument(i32),
    /// The command fails, but only for this collection.
    Into(String, i32),
    /// The command fails, but only for this collection and if one of its documents contains this
    /// text.
    Holding {
        /// The collection.
        collection: String,
        /// The text.
        text: String,
        /// The code.
        code: i32,
    },
}

impl Refusal {
    fn concerns(&self, insert: &Insert, message: &[u8]) -> bool {
        match self {
            Refusal::Whole(_) | Refusal::EachDocument(_) => true,
            Refusal::Into(collection, _) => insert.collection == *collection,
            Refusal::Holding { collection, text, .. } => {
                insert.collection == *collection
                    && message.windows(text.len().max(1)).any(|part| part == text.as_bytes())
            }
        }
    }
}

/// The proxy; it runs until this value is dropped.
#[derive(Debug)]
pub struct InsertRefusals {
    address: SocketAddr,
    control: Control,
    refusal: watch::Sender<Option<Refusal>>,
    server: JoinHandle<()>,
}

/// State shared by all connections.
#[derive(Clone, Debug)]
struct Control {
    refusal: watch::Receiver<Option<Refusal>>,
    refused: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
}

impl Drop for InsertRefusals {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl InsertRefusals {
    /// Starts a proxy in front of `target`; initially everything passes.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (refusal, told) = watch::channel(None);
        let control = Control { refusal: told, refused: Arc::default(), passed: Arc::default() };
        let shared = control.clone();
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A broken connection is left for the driver to notice.
                tokio::spawn(relay(client, target, shared.clone()));
            }
        });
        Ok(Self { address, control, refusal, server })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses inserts this way from now on, or lets them pass.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.refusal.send_replace(refusal);
    }

    /// Number of inserts refused so far.
    pub fn refused(&self) -> u64 {
        self.control.refused.load(Ordering::Relaxed)
    }

    /// Number of inserts passed so far.
    pub fn passed(&self) -> u64 {
        self.control.passed.load(Ordering::Relaxed)
    }
}

/// Messages are written to the client one at a time, from either source.
type ToClient = Arc<Mutex<OwnedWriteHalf>>;

async fn relay(client: TcpStream, target: SocketAddr, control: Control) -> Result<()> {
    let (mut from_server, mut to_server) = TcpStream::connect(target).await?.into_split();
    let (mut from_client, to_client) = client.into_split();
    let to_client: ToClient = Arc::new(Mutex::new(to_client));
    let requests = async {
        loop {
            let message = message(&mut from_client).await?;
            let refusal = control.refusal.borrow().clone();
            let insert = insert(&message)?;
            let refusal = refusal.filter(|refusal| {
                insert.as_ref().is_some_and(|insert| refusal.concerns(insert, &message))
            });
            match (insert, refusal) {
                (Some(insert), Some(refusal)) => {
                    control.refused.fetch_add(1, Ordering::Relaxed);
                    to_client.lock().await.write_all(&insert.answer(&refusal)?).await?;
                }
                (insert, _) => {
                    control.passed.fetch_add(u64::from(insert.is_some()), Ordering::Relaxed);
                    to_server.write_all(&message).await?;
                }
            }
        }
    };
    let replies = async {
        loop {
            let message = message(&mut from_server).await?;
            to_client.lock().await.write_all(&message).await?;
        }
    };
    tokio::select! {
        ended = requests => ended,
        ended = replies => ended,
    }
}

async fn message(from: &mut (impl AsyncReadExt + Unpin)) -> Result<Vec<u8>> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message).await?;
    let length = usize::try_from(number(&message, 0)?)?;
    ensure!((HEADER..=LONGEST).contains(&length), "a message of {length} bytes");
    message.resize(length, 0);
    from.read_exact(message.get_mut(4..).unwrap_or_default()).await?;
    Ok(message)
}

fn number(bytes: &[u8], at: usize) -> Result<i32> {
    let bytes = bytes.get(at..at + 4).context("a message is cut off")?;
    Ok(i32::from_le_bytes(bytes.try_into()?))
}

/// A message that is an insert.
struct Insert {
    request: i32,
    collection: String,
    documents: usize,
}

/// What a message inserts; `None` if it is another command.
fn insert(message: &[u8]) -> Result<Option<Insert>> {
    if number(message, 12)? != OP_MSG {
        return Ok(None);
    }
    let mut command = None;
    let mut documents = 0;
    // After the flags come sections, each with one document or a named sequence of documents.
    let mut rest = message.get(HEADER + 4..).context("a message without sections")?;
    while let Some((kind, section)) = rest.split_first() {
        let length = usize::try_from(number(section, 0)?)?;
        let Some((section, after)) = section.split_at_checked(length) else {
            break; // The checksum, where there is one.
        };
        rest = after;
        if *kind == 0 {
            command = Some(Document::from_reader(section)?);
        } else {
            documents += in_sequence(section)?;
        }
    }
    let Some(command) = command.filter(|command| command.contains_key("insert")) else {
        return Ok(None);
    };
    documents += command.get_array("documents").map_or(0, Vec::len);
    let collection = command.get_str("insert")?.to_owned();
    Ok(Some(Insert { request: number(message, 4)?, collection, documents }))
}

/// The number of documents in a sequence: its length, its name, then the documents.
fn in_sequence(section: &[u8]) -> Result<usize> {
    let name = section.iter().skip(4).position(|byte| *byte == 0).context("no name")?;
    let mut rest = section.get(4 + name + 1..).unwrap_or_default();
    let mut documents = 0;
    while !rest.is_empty() {
        let length = usize::try_from(number(rest, 0)?)?;
        rest = rest.get(length.max(1)..).context("a document is cut off")?;
        documents += 1;
    }
    Ok(documents)
}

impl Insert {
    fn answer(&self, refusal: &Refusal) -> Result<Vec<u8>> {
        let body = match refusal {
            Refusal::Whole(code) | Refusal::Into(_, code) | Refusal::Holding { code, .. } => {
                doc! { "ok": 0.0, "code": code, "errmsg": MESSAGE }
            }
            Refusal::EachDocument(code) => {
                let error = |index| {
                    let index = i32::try_from(index).unwrap_or(i32::MAX);
                    doc! { "index": index, "code": code, "errmsg": MESSAGE }
                };
                let errors: Vec<Document> = (0..self.documents).map(error).collect();
                doc! { "n": 0, "writeErrors": errors, "ok": 1.0 }
            }
        };
        let body = body.to_vec()?;
        let length = i32::try_from(HEADER + 4 + 1 + body.len())?;
        let mut message = Vec::new();
        for number in [length, 0, self.request, OP_MSG, 0] {
            message.extend(number.to_le_bytes());
        }
        // One section, with one document.
        message.push(0);
        message.extend(body);
        Ok(message)
    }
}

const MESSAGE: &str = "refused by a test";

#[cfg(test)]
mod tests {
    use mongodb::error::ErrorKind;

    use super::*;
    use crate::{Database, DatabaseServer};

    #[tokio::test]
    async fn an_insert_is_refused_as_a_whole_or_by_document_and_all_else_passes() {
        let server = DatabaseServer::start().await.unwrap();
        let target = server.uri().replace("mongodb://", "").replace('/', "").parse().unwrap();
        let proxy = InsertRefusals::start(target).await.unwrap();
        let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
        let database = Database::on(&uri, "refusals").await.unwrap();
        let collection = database.collection("x");
        let insert = async || {
            let documents = [doc! {"a": 1}, doc! {"a": 2}];
            collection.insert_many(documents).ordered(false).await.map_err(|error| *error.kind)
        };
        for code in [112, 121] {
            proxy.refuse(Some(Refusal::EachDocument(code)));
            let Err(ErrorKind::InsertMany(errors)) = insert().await else { panic!("{code}") };
            let codes: Vec<_> = errors.write_errors.unwrap().iter().map(|it| it.code).collect();
            assert_eq!(codes, [code, code]);
            proxy.refuse(Some(Refusal::Whole(code)));
            let Err(ErrorKind::Command(error)) = insert().await else { panic!("{code}") };
            assert_eq!(error.code, code);
        }
        assert_eq!(database.count("x", doc! {}).await.unwrap(), 0);
        proxy.refuse(None);
        insert().await.unwrap();
        assert_eq!((proxy.refused(), proxy.passed()), (4, 1));
        proxy.refuse(Some(Refusal::Into("y".into(), 13)));
        insert().await.unwrap();
        proxy.refuse(Some(Refusal::Into("x".into(), 13)));
        assert!(insert().await.is_err());
        let holding =
            |text: &str| Refusal::Holding { collection: "x".into(), text: text.into(), code: 2 };
        proxy.refuse(Some(holding("poison")));
        insert().await.unwrap();
        assert!(collection.insert_one(doc! {"b": "some poison"}).await.is_err());
        assert_eq!((proxy.refused(), proxy.passed()), (6, 3));
    }
}
