//! MongoDB in the system: the server, its data, and what leads to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use gatelog_testkit::{
    Database, DatabaseServer, Disk, Fault, FaultProxy, InsertRefusals, Process, Refusal, eventually,
};
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use crate::step::PATIENCE;

/// The database that the collector writes to.
const DATABASE: &str = "chaos";

/// After "not primary" a driver waits for the server to tell its new state, and asks at this interval.
/// MongoDB tells it at once; a server that only pretends never does.
const HEARTBEAT: &str = "heartbeatFrequencyMS=500";

/// Who writes there, where users are asked who they are; the password is the name.
const WRITER: &str = "writer";
/// Who may do everything.
const ADMINISTRATOR: &str = "administrator";

/// The server and its data, which outlive each other in turn.
pub(crate) struct Mongo {
    /// The network that leads to it.
    pub(crate) network: FaultProxy,
    server: DatabaseServer,
    authenticates: bool,
    /// What stands before it and refuses inserts.
    refusals: Option<InsertRefusals>,
    // After the server, which writes there.
    /// What its data lies on, if that is a disk of its own.
    pub(crate) disk: Option<Disk>,
    storage: TempDir,
}

impl Mongo {
    /// Starts one, on no data. One that `authenticates` knows an administrator, and a user that may
    /// read and write.
    pub(crate) async fn start(authenticates: bool, disk: Option<Disk>) -> Result<Self> {
        let storage = TempDir::new()?;
        let data = data(&storage, disk.as_ref());
        if authenticates {
            let mut server = launch(&storage, &data, false).await?;
            let admin = Database::on(&server.uri(), "admin").await?;
            for (name, role) in [(ADMINISTRATOR, "root"), (WRITER, "readWriteAnyDatabase")] {
                let roles = vec![doc! { "role": role, "db": "admin" }];
                admin.command(doc! { "createUser": name, "pwd": name, "roles": roles }).await?;
            }
            server.process().terminate(PATIENCE)?;
        }
        let server = launch(&storage, &data, authenticates).await?;
        let network = FaultProxy::start(address(&server)?).await?;
        Ok(Self { network, server, authenticates, refusals: None, disk, storage })
    }

    /// Starts it again on its data, after its end.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let data = data(&self.storage, self.disk.as_ref());
        self.server = launch(&self.storage, &data, self.authenticates).await?;
        self.network.lead_to(address(&self.server)?);
        Ok(())
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.server.process()
    }

    /// How the collector reaches it: by the network, and no further. A replica set would tell the
    /// driver its own address.
    pub(crate) fn uri(&self) -> String {
        uri(self.network.address(), self.authenticates.then_some(WRITER))
    }

    /// The database, past the network, with all rights.
    pub(crate) async fn database(&self) -> Result<Database> {
        self.as_administrator(DATABASE).await
    }

    async fn as_administrator(&self, database: &str) -> Result<Database> {
        let user = self.authenticates.then_some(ADMINISTRATOR);
        Database::on(&uri(address(&self.server)?, user), database).await
    }

    /// A command of its administrator.
    pub(crate) async fn admin(&self, command: Document) -> Result<()> {
        self.as_administrator("admin").await?.command(command).await?;
        Ok(())
    }

    /// The collector's user may write, or only read.
    pub(crate) async fn may_write(&self, may: bool) -> Result<()> {
        let role = |name: &str| vec![doc! { "role": name, "db": "admin" }];
        let (write, read) = (role("readWriteAnyDatabase"), role("readAnyDatabase"));
        let (granted, revoked) = if may { (write, read) } else { (read, write) };
        self.admin(doc! { "grantRolesToUser": WRITER, "roles": granted }).await?;
        self.admin(doc! { "revokeRolesFromUser": WRITER, "roles": revoked }).await?;
        // The test server looks at rights when a connection begins; MongoDB at every command.
        self.network.fault(Fault::None);
        Ok(())
    }

    /// Inserts are refused in each of these ways, one after the other; each is met at least once,
    /// and then some inserts pass.
    pub(crate) async fn refuse_in_turn(&self, refusals: Vec<Refusal>) -> Result<()> {
        let proxy = InsertRefusals::start(address(&self.server)?).await?;
        self.network.lead_to(proxy.address());
        for refusal in refusals {
            let met = proxy.refused();
            proxy.refuse(Some(refusal.clone()));
            grows(&format!("an insert meets {refusal:?}"), met, || proxy.refused()).await?;
            let passed = proxy.passed();
            proxy.refuse(None);
            grows(&format!("an insert passes after {refusal:?}"), passed, || proxy.passed())
                .await?;
        }
        self.network.lead_to(address(&self.server)?);
        Ok(())
    }
}

impl Mongo {
    /// From now on inserts are refused so, until [`end_refusals`](Self::end_refusals).
    pub(crate) async fn refuse(&mut self, refusal: Refusal) -> Result<()> {
        let proxy = InsertRefusals::start(address(&self.server)?).await?;
        proxy.refuse(Some(refusal));
        self.network.lead_to(proxy.address());
        self.refusals = Some(proxy);
        Ok(())
    }

    /// They are refused no more; some were.
    pub(crate) fn end_refusals(&mut self) -> Result<()> {
        let proxy = self.refusals.take().context("no inserts are refused")?;
        self.network.lead_to(address(&self.server)?);
        ensure!(proxy.refused() > 0, "no insert was refused");
        Ok(())
    }
}

/// Waits until a count is beyond `before`.
async fn grows(what: &str, before: u64, count: impl Fn() -> u64) -> Result<()> {
    eventually(what, PATIENCE, async || {
        ensure!(count() > before, "none has come");
        Ok(())
    })
    .await
}

/// Where the data is.
fn data(storage: &TempDir, disk: Option<&Disk>) -> PathBuf {
    disk.map_or_else(|| storage.path().to_owned(), Disk::path).join("data")
}

/// Starts a server on the data there may be already; its log, where it says its address, is new.
async fn launch(storage: &TempDir, data: &Path, authenticates: bool) -> Result<DatabaseServer> {
    let log = TempDir::new_in(storage.path())?.keep();
    let options = if authenticates { &["--auth"][..] } else { &[] };
    DatabaseServer::start_with(&log, data, options).await
}

fn address(server: &DatabaseServer) -> Result<SocketAddr> {
    let uri = server.uri();
    let address = uri.trim_start_matches("mongodb://").trim_end_matches('/');
    address.parse().with_context(|| uri.clone())
}

fn uri(address: SocketAddr, user: Option<&str>) -> String {
    let (login, source) = match user {
        Some(user) => (format!("{user}:{user}@"), "&authSource=admin"),
        None => (String::new(), ""),
    };
    format!("mongodb://{login}{address}/?directConnection=true&{HEARTBEAT}{source}")
}
