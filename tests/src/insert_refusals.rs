//! Stands before a MongoDB server and refuses the documents of every insert, each by itself
//! (`writeErrors`), with a code that is told. A fail point can only fail a whole command. All else
//! passes.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Document, doc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// Longest message: MongoDB's own limit.
const LONGEST: usize = 48 << 20;
/// Length, request, response to, operation: four little-endian numbers of four bytes.
const HEADER: usize = 16;
/// The operation of every message since MongoDB 3.6.
const OP_MSG: i32 = 2013;

/// The proxy, as long as this value lives.
#[derive(Debug)]
pub struct InsertRefusals {
    address: SocketAddr,
    code: watch::Sender<i32>,
    server: JoinHandle<()>,
}

impl Drop for InsertRefusals {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl InsertRefusals {
    /// One before `target`, which refuses with `code`.
    pub async fn start(target: SocketAddr, code: i32) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (code, told) = watch::channel(code);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks is the driver's to notice.
                tokio::spawn(relay(client, target, told.clone()));
            }
        });
        Ok(Self { address, code, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it refuses with this code.
    pub fn code(&self, code: i32) {
        self.code.send_replace(code);
    }
}

/// Messages go to the client one at a time, whoever they are from.
type ToClient = Arc<Mutex<OwnedWriteHalf>>;

async fn relay(client: TcpStream, target: SocketAddr, code: watch::Receiver<i32>) -> Result<()> {
    let (mut from_server, mut to_server) = TcpStream::connect(target).await?.into_split();
    let (mut from_client, to_client) = client.into_split();
    let to_client: ToClient = Arc::new(Mutex::new(to_client));
    let requests = async {
        loop {
            let message = message(&mut from_client).await?;
            let code = *code.borrow();
            match refusal(&message, code)? {
                Some(answer) => to_client.lock().await.write_all(&answer).await?,
                None => to_server.write_all(&message).await?,
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

/// The answer to a message that is an insert; none to any other.
fn refusal(message: &[u8], code: i32) -> Result<Option<Vec<u8>>> {
    if number(message, 12)? != OP_MSG {
        return Ok(None);
    }
    let mut command = None;
    let mut documents = 0;
    // Behind the flags: sections, each of one document, or of a named sequence of them.
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
    answer(number(message, 4)?, code, documents).map(Some)
}

/// How many documents a sequence has: its length, its name, then they.
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

/// A reply to request `to`: done, but for every document.
fn answer(to: i32, code: i32, documents: usize) -> Result<Vec<u8>> {
    let errors: Vec<Document> = (0..documents)
        .map(|index| {
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            doc! { "index": index, "code": code, "errmsg": "refused by a test" }
        })
        .collect();
    let body = doc! { "n": 0, "writeErrors": errors, "ok": 1.0 }.to_vec()?;
    let length = i32::try_from(HEADER + 4 + 1 + body.len())?;
    let mut message = Vec::new();
    for number in [length, 0, to, OP_MSG, 0] {
        message.extend(number.to_le_bytes());
    }
    message.push(0);
    message.extend(body);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, DatabaseServer};

    #[tokio::test]
    async fn every_document_of_an_insert_is_refused_and_all_else_passes() {
        let server = DatabaseServer::start().await.unwrap();
        let target = server.uri().replace("mongodb://", "").replace('/', "").parse().unwrap();
        let proxy = InsertRefusals::start(target, 112).await.unwrap();
        let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
        let database = Database::on(&uri, "refusals").await.unwrap();
        let collection = database.collection("x");
        for code in [112, 121] {
            proxy.code(code);
            let documents = [doc! {"a": 1}, doc! {"a": 2}];
            let refused = collection.insert_many(documents).ordered(false).await.unwrap_err();
            let mongodb::error::ErrorKind::InsertMany(errors) = *refused.kind else {
                panic!("{refused}")
            };
            let codes: Vec<_> = errors.write_errors.unwrap().iter().map(|it| it.code).collect();
            assert_eq!(codes, [code, code]);
        }
        assert_eq!(database.count("x", doc! {}).await.unwrap(), 0);
    }
}
