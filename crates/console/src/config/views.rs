//! The setting of the saved views.

use clap::Args;
use gatelog_collector::config::Reader;

/// The value that switches the database off.
const OFF: &str = "off";

/// MongoDB's own databases.
const SYSTEM: [&str; 3] = ["admin", "config", "local"];

/// Where saved views are kept.
#[derive(Args, Clone, Debug)]
pub(super) struct ViewsArgs {
    /// Database of the console's own, for saved views; off: they are kept by browsers only, as they are
    /// if the MongoDB user may not write it
    #[arg(
        long,
        value_name = "NAME",
        env = "GATELOG_CONSOLE_DATABASE",
        default_value = "gatelog_console",
        help_heading = "Saved views"
    )]
    views_database: String,
}

impl ViewsArgs {
    /// The database's name, unless it is switched off. It must be another than that of the records.
    pub(super) fn compile(&self, read: &mut Reader, records: &str) -> Option<String> {
        const NAME: &str = "GATELOG_CONSOLE_DATABASE";
        let text = self.views_database.trim();
        if text.is_empty() || text.eq_ignore_ascii_case(OFF) {
            return None;
        }
        // MongoDB has no two databases whose names differ by case only.
        if text.eq_ignore_ascii_case(records) {
            let reason = "must be another than GATELOG_DATABASE: the records' is only read";
            read.faults.add(NAME, text, reason);
        }
        if SYSTEM.iter().any(|name| text.eq_ignore_ascii_case(name)) {
            read.faults.add(NAME, text, "must not be one of MongoDB's own");
        }
        Some(read.database(NAME, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Result<Option<String>, String> {
        let (args, mut read) = (ViewsArgs { views_database: text.into() }, Reader::default());
        let name = args.compile(&mut read, "gatelog");
        read.done(name).map_err(|faults| faults.to_string())
    }

    #[test]
    fn views_have_a_database_of_their_own_or_none() {
        assert_eq!(compiled("gatelog_console"), Ok(Some("gatelog_console".into())));
        assert_eq!((compiled(""), compiled(" "), compiled("OFF")), (Ok(None), Ok(None), Ok(None)));
        for name in ["gatelog", "Gatelog", "admin", "a.b", "a b", &"x".repeat(64)] {
            let told = compiled(name).unwrap_err();
            assert!(told.starts_with(&format!("GATELOG_CONSOLE_DATABASE = \"{name}\"")), "{told}");
        }
    }
}
