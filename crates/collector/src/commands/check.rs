//! `check`: the configuration, and every connection that serving would need.

use std::fmt::Display;

use super::Failure;
use crate::config::ServeArgs;
use crate::http::Auth;
use crate::http::server::{self, Tls};
use crate::spool::{FILE, LetterBox};
use crate::store::Store;

/// Checks everything, a line for each.
///
/// # Errors
///
/// The configuration is wrong, or something that it names does not work.
pub async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = args.compile()?;
    let mut sound = true;
    let mut say = |name: &str, result: Result<String, String>| match result {
        Ok(text) => println!("ok    {name}: {text}"),
        Err(text) => {
            sound = false;
            println!("FAIL  {name}: {text}");
        }
    };
    say("configuration", Ok("every value can be used".into()));
    if let Some(file) = &config.tokens_file {
        say("tokens", Auth::from_file(file).map(|_| file.display().to_string()).map_err(text));
    } else {
        say("tokens", Ok("none: anyone who reaches the address may post".into()));
    }
    if let Some(files) = &config.tls {
        say("TLS", Tls::read(files).map(|_| files.cert.display().to_string()).map_err(text));
    }
    let address = config.listen.first().map(ToString::to_string).unwrap_or_default();
    say(
        "address",
        match server::bind(&config.listen).await {
            Ok(_) => Ok(format!("{address} can be bound")),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                Ok(format!("{address} is in use, by a serving collector perhaps"))
            }
            Err(error) => Err(format!("{address}: {error}")),
        },
    );
    let dir = &config.spool.dir;
    say(
        "spool",
        if dir.join(FILE).exists() {
            LetterBox::open(dir)
                .and_then(|letters| letters.count())
                .map(|count| format!("{}, {} dead letters", dir.display(), count.letters))
                .map_err(text)
        } else {
            std::fs::create_dir_all(dir)
                .and_then(|()| tempfile_in(dir))
                .map(|()| format!("{} is new and can be written", dir.display()))
                .map_err(text)
        },
    );
    say(
        "MongoDB",
        match Store::connect(&config.store).await {
            Ok(store) => match store.ping().await {
                Ok(()) => Ok(format!("answers, database \"{}\"", config.store.database)),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        },
    );
    if sound { Ok(()) } else { Err(Failure { status: 1, text: String::new() }) }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Writes and removes a file, to see whether the directory takes one.
fn tempfile_in(dir: &std::path::Path) -> std::io::Result<()> {
    let file = dir.join(".check");
    std::fs::write(&file, b"")?;
    std::fs::remove_file(&file)
}
