//! Whose a view is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::who::{KnownBy, Viewer, fingerprint};

/// The key of a viewer: a hash of what says who it is, the name, and whose records it may see. So a name
/// that is given to somebody else, with other rights or by another authority, is another owner. A token
/// that is replaced by one of the same name and rights is the same.
pub(super) fn key(viewer: &Viewer) -> String {
    let known_by = match viewer.known_by {
        KnownBy::Token => "token",
        KnownBy::Code => "code",
        KnownBy::Claims => "claims",
    };
    let organizations = viewer.organizations().map(|names| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        names
    });
    // As JSON, no two different viewers are the same text.
    let text = json!([known_by, viewer.name, organizations]).to_string();
    URL_SAFE_NO_PAD.encode(fingerprint(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::who::Role;

    fn of(known_by: KnownBy, name: &str, organizations: Option<&[&str]>) -> String {
        let role = organizations.map_or(Role::All, |names| {
            Role::Organizations(names.iter().map(|name| (*name).to_owned()).collect())
        });
        key(&Viewer::new(known_by, name.to_owned(), role, None).unwrap())
    }

    #[test]
    fn whoever_differs_in_source_name_or_rights_is_another_owner() {
        let keys = [
            of(KnownBy::Token, "ann", None),
            of(KnownBy::Claims, "ann", None),
            of(KnownBy::Code, "ann", None),
            of(KnownBy::Token, "bob", None),
            of(KnownBy::Token, "ann", Some(&["a"])),
            of(KnownBy::Token, "ann", Some(&["b"])),
            of(KnownBy::Token, "ann", Some(&["a", "b"])),
            of(KnownBy::Token, "ann", Some(&["a,b"])),
            of(KnownBy::Token, "ann", Some(&["a\",\"b"])),
            of(KnownBy::Token, "ann\",[\"a\"]", None),
            of(KnownBy::Token, "ann", Some(&["null"])),
        ];
        let different: HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 43 && !key.contains([':', ';'])));
    }

    #[test]
    fn the_order_of_organizations_makes_no_other_owner() {
        let one = of(KnownBy::Claims, "ann", Some(&["a", "b"]));
        assert_eq!(one, of(KnownBy::Claims, "ann", Some(&["b", "a", "b"])));
    }
}
