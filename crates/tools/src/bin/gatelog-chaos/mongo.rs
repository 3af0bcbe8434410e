//! MongoDB in the system: the server, its data, and the network path to it.

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

/// After "not primary" a driver waits for the server to report its new state, and polls at this
/// interval. MongoDB reports it at once; a server that only pretends never does.
const HEARTBEAT: &str = "heartbeatFrequencyMS=500";

/// The user that writes there, if authentication is on; the password equals the name.
const WRITER: &str = "writer";
/// The user with all rights.
const ADMINISTRATOR: &str = "administrator";

/// The server and its data; either can outlive the other.
pub(crate) struct Mongo {
    /// The network path to it.
    pub(crate) network: FaultProxy,
    server: DatabaseServer,
    authenticates: bool,
    /// The proxy in front of it that refuses inserts.
    refusals: Option<InsertRefusals>,
    // After the server, which writes there.
    /// The separate disk that holds its data, if any.
    pub(crate) disk: Option<Disk>,
    storage: TempDir,
}

impl Mongo {
    /// Starts a server without data. With `authenticates`, it has an administrator and a user that
    /// may read and write.
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

    /// Restarts it on its data, after it has exited.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let data = data(&self.storage, self.disk.as_ref());
        self.server = launch(&self.storage, &data, self.authenticates).await?;
        self.network.lead_to(address(&self.server)?);
        Ok(())
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.server.process()
    }

    /// The connection string for the collector: through the network proxy, and only that. A replica
    /// set would tell the driver its own address.
    pub(crate) fn uri(&self) -> String {
        uri(self.network.address(), self.authenticates.then_some(WRITER))
    }

    /// The database with all rights, bypassing the network proxy.
    pub(crate) async fn database(&self) -> Result<Database> {
        self.as_administrator(DATABASE).await
    }

    async fn as_administrator(&self, database: &str) -> Result<Database> {
        let user = self.authenticates.then_some(ADMINISTRATOR);
        Database::on(&uri(address(&self.server)?, user), database).await
    }

    /// Runs a command as its administrator.
    pub(crate) async fn admin(&self, command: Document) -> Result<()> {
        self.as_administrator("admin").await?.command(command).await?;
        Ok(())
    }

    /// Lets the collector's user write, or only read.
    pub(crate) async fn may_write(&self, may: bool) -> Result<()> {
        let role = |name: &str| vec![doc! { "role": name, "db": "admin" }];
        let (write, read) = (role("readWriteAnyDatabase"), role("readAnyDatabase"));
        let (granted, revoked) = if may { (write, read) } else { (read, write) };
        self.admin(doc! { "grantRolesToUser": WRITER, "roles": granted }).await?;
        self.admin(doc! { "revokeRolesFromUser": WRITER, "roles": revoked }).await?;
        // The test server checks rights when a connection opens; MongoDB does so on every command.
        self.network.fault(Fault::None);
        Ok(())
    }

    /// Refuses inserts in each of these ways in turn; waits until each has occurred at least once,
    /// and then until some inserts have passed.
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
    /// Refuses inserts this way until [`end_refusals`](Self::end_refusals).
    pub(crate) async fn refuse(&mut self, refusal: Refusal) -> Result<()> {
        let proxy = InsertRefusals::start(address(&self.server)?).await?;
        proxy.refuse(Some(refusal));
        self.network.lead_to(proxy.address());
        self.refusals = Some(proxy);
        Ok(())
    }

    /// Stops refusing inserts; checks that some were refused.
    pub(crate) fn end_refusals(&mut self) -> Result<()> {
        let proxy = self.refusals.take().context("no inserts are refused")?;
        self.network.lead_to(address(&self.server)?);
        ensure!(proxy.refused() > 0, "no insert was refused");
        Ok(())
    }
}

/// Waits until a count exceeds `before`.
async fn grows(what: &str, before: u64, count: impl Fn() -> u64) -> Result<()> {
    eventually(what, PATIENCE, async || {
        ensure!(count() > before, "none has come");
        Ok(())
    })
    .await
}

/// The directory of the data.
fn data(storage: &TempDir, disk: Option<&Disk>) -> PathBuf {
    disk.map_or_else(|| storage.path().to_owned(), Disk::path).join("data")
}

/// Starts a server on any existing data; its log, in which it reports its address, is new.
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
