//! Condenses why no server could be selected into one line: the driver describes every server it
//! knows, with everything it knows about it.

/// Maximum bytes of one server's reason that are shown.
const REASON_BYTES: usize = 160;
/// Maximum number of servers named.
const SERVERS: usize = 5;

/// Condenses the driver's description of a failed server selection to the servers and what is wrong
/// with each. For display only: what to do is decided by the kind of the error.
pub(super) fn brief(account: &str) -> String {
    let mut servers = account.split("{ Address: ").skip(1).map(server).peekable();
    if servers.peek().is_none() {
        return "no server is known: do the names and replicaSet in MONGODB_URI match the cluster?"
            .to_owned();
    }
    let mut named: Vec<_> = servers.by_ref().take(SERVERS).collect();
    if servers.peek().is_some() {
        named.push("…".to_owned());
    }
    format!("{}; is MONGODB_URI right?", named.join(", "))
}

/// One server's description: `Address, Type: …` and so on.
fn server(text: &str) -> String {
    let address = text.split([',', ' ']).next().unwrap_or_default();
    let reason = match text.split_once(", Error: ") {
        Some((_, error)) => reason(error),
        None => match text.split_once("Type: ").and_then(|(_, kind)| kind.split([',', ' ']).next())
        {
            Some("Unknown") | None => "has not answered yet".to_owned(),
            Some(kind) => format!("is not the primary ({kind})"),
        },
    };
    format!("{address}: {reason}")
}

/// The part between "Kind: " and the labels in the driver's error.
fn reason(error: &str) -> String {
    let error = error.strip_prefix("Kind: ").unwrap_or(error);
    let end = [", labels: {", " }, { Address: ", " }]"].iter().filter_map(|mark| error.find(mark));
    let end = end.min().unwrap_or(error.len()).min(error.floor_char_boundary(REASON_BYTES));
    error.get(..end).unwrap_or_default().trim_start_matches("I/O error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_named_with_what_is_wrong_with_it() {
        let account = "Server selection timeout: No available servers. Topology: { Type: \
            ReplicaSetNoPrimary, Set Name: rs0, Servers: [ { Address: db-1:27017, Type: Unknown, \
            Error: Kind: I/O error: Connection refused (os error 111), labels: {\"a\"}, source: \
            None }, { Address: db-2:27017, Type: RsSecondary, Average RTT: 1ms }, { Address: \
            db-3:27017, Type: Unknown } ] }";
        assert_eq!(
            brief(account),
            "db-1:27017: Connection refused (os error 111), db-2:27017: is not the primary \
             (RsSecondary), db-3:27017: has not answered yet; is MONGODB_URI right?"
        );
    }

    #[test]
    fn the_line_stays_short_whatever_the_driver_says() {
        let servers = "{ Address: h:1, Type: Unknown, Error: Kind: ".to_owned() + &"é".repeat(500);
        assert!(brief(&servers.repeat(50)).len() < 1_200);
        assert!(brief("No available servers. Topology: { Servers: [ ] }").contains("replicaSet"));
    }
}
