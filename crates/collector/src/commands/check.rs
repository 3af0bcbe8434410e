//! `check`: tests everything that `serve` needs.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use super::Failure;
use crate::accounting::sharing::COLLECTION as ACCOUNTING;
use crate::config::{Config, ServeArgs};
use crate::http::Auth;
use crate::http::server::{self, Tls};
use crate::spool::{self, FILE, LetterBox};
use crate::store::{LogCollection, ROLLUPS, Rights, Store, StoreError};

/// Tests everything and prints one line for each.
///
/// # Errors
///
/// The configuration is invalid, or something that `serve` needs does not work.
pub async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = args.compile()?;
    let mut report = Report { sound: true };
    report.say("configuration", Ok("every value is valid".into()));
    report.say("tokens", tokens(&config));
    if let Some(files) = &config.tls {
        let read = Tls::read(files).map(|_| files.cert.display().to_string());
        report.say("TLS", read.map_err(text));
    }
    report.say("address", address(&config).await);
    report.say("spool", spool(&config.spool.dir));
    database(&config, &mut report).await;
    if report.sound { Ok(()) } else { Err(Failure { status: 1, text: String::new() }) }
}

struct Report {
    sound: bool,
}

impl Report {
    fn say(&mut self, name: &str, result: Result<String, String>) {
        match result {
            Ok(text) => println!("ok    {name}: {text}"),
            Err(text) => {
                self.sound = false;
                println!("FAIL  {name}: {text}");
            }
        }
    }
}

fn tokens(config: &Config) -> Result<String, String> {
    match &config.tokens_file {
        Some(file) => Auth::from_file(file).map(|_| file.display().to_string()).map_err(text),
        None => Ok("none: anyone who reaches the address may post".into()),
    }
}

async fn address(config: &Config) -> Result<String, String> {
    let address = config.listen.first().map(ToString::to_string).unwrap_or_default();
    match server::bind(&config.listen).await {
        Ok(_) => Ok(format!("{address} can be bound")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(format!(
            "{address} is in use: is a collector already running? Otherwise set GATELOG_LISTEN"
        )),
        Err(error) => Err(format!("{address}: {error}")),
    }
}

fn spool(dir: &Path) -> Result<String, String> {
    let shown = dir.display();
    std::fs::create_dir_all(dir).map_err(|error| format!("{shown}: {error}"))?;
    if spool::in_use(dir).map_err(|error| format!("{shown}: {error}"))? {
        return Err(format!(
            "{shown} is in use by a running collector: each needs its own GATELOG_SPOOL_DIR"
        ));
    }
    if !dir.join(FILE).exists() {
        return Ok(format!("{shown} is new and can be written"));
    }
    let letters = LetterBox::open(dir).and_then(|letters| letters.count());
    letters
        .map(|count| format!("{shown}, {} dead letters", count.letters))
        .map_err(|error| format!("{shown}: {error}"))
}

async fn database(config: &Config, report: &mut Report) {
    let name = &config.store.database;
    let store = match Store::connect(&config.store).await {
        Ok(store) => store,
        Err(error) => return report.say("MongoDB", Err(error.to_string())),
    };
    match store.ping().await {
        Ok(()) => report.say("MongoDB", Ok(format!("answers, database \"{name}\""))),
        Err(error @ StoreError::Denied(_)) => return report.say("login", Err(denied(&error))),
        Err(error) => return report.say("MongoDB", Err(error.to_string())),
    }
    let shared: Vec<_> =
        [ACCOUNTING].into_iter().chain(config.writer.rollups.then_some(ROLLUPS)).collect();
    let rights = match store.rights(&shared).await {
        Ok(rights) => rights,
        Err(error @ StoreError::Denied(_)) => return report.say("login", Err(denied(&error))),
        Err(error) => return report.say("writing", Err(error.to_string())),
    };
    report.say("login", login(&rights));
    report.say("rights", granted(&rights, name));
    if rights.missing.contains("listIndexes") {
        return;
    }
    let mut clear = true;
    for collection in LogCollection::ALL {
        match store.obstacles(collection).await {
            Ok(found) => {
                for obstacle in found {
                    clear = false;
                    report.say("indexes", Err(obstacle.to_string()));
                }
            }
            Err(error) => {
                clear = false;
                report.say("indexes", Err(format!("{}: {error}", collection.as_str())));
            }
        }
    }
    if clear {
        report.say("indexes", Ok("no conflicts".into()));
    }
}

fn denied(error: &StoreError) -> String {
    format!("{error}; are user, password and authSource in MONGODB_URI right?")
}

fn login(rights: &Rights) -> Result<String, String> {
    match &rights.user {
        Some((user, of)) => Ok(format!("user \"{user}\" of database \"{of}\"")),
        None if rights.missing.is_empty() => Ok("none, and the server does not require one".into()),
        None => Err("the server requires a login, and MONGODB_URI has none: it must look like \
                     mongodb://USER:PASSWORD@HOST/?authSource=DATABASE"
            .into()),
    }
}

fn granted(rights: &Rights, database: &str) -> Result<String, String> {
    let list = |names: &mut dyn Iterator<Item = &&'static str>| {
        names.copied().collect::<Vec<_>>().join(", ")
    };
    if rights.missing.is_empty() {
        return Ok("find, insert, update, listIndexes, createIndex, dropIndex, collMod".into());
    }
    let missing = list(&mut rights.missing.iter());
    let places = list(&mut rights.collections.iter());
    let remedy = match rights.grant(database) {
        Some(command) => format!(
            "an administrator can grant it with {command}, or with the role of docs/mongodb.md"
        ),
        None => "log in as a user who has it".into(),
    };
    Err(format!("missing in database \"{database}\": {missing} (on {places}); {remedy}"))
}

fn text(error: impl Display) -> String {
    error.to_string()
}
