//! A caller that is known.

use gatelog_record::Timestamp;
use gatelog_search::{Scope, TooManyOrganizations};

/// Whose records a viewer may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everybody's, also those without an organization, and the accounting.
    All,
    /// Those of these organizations.
    Organizations(Vec<String>),
}

/// What says who a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// A token of the file.
    Token,
    /// The code of a link.
    Code,
    /// Claims that a proxy has verified.
    Claims,
}

/// A caller that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// What says who it is: the same name may be another's elsewhere.
    pub known_by: KnownBy,
    /// What it is called, in the audit.
    pub name: String,
    /// Whose records it may see.
    pub role: Role,
    /// When its token ends.
    pub expires: Option<Timestamp>,
    scope: Scope,
}

impl Viewer {
    /// A viewer with this role.
    ///
    /// # Errors
    ///
    /// There are more organizations than a scope can have.
    pub fn new(
        known_by: KnownBy,
        name: String,
        role: Role,
        expires: Option<Timestamp>,
    ) -> Result<Self, TooManyOrganizations> {
        let scope = match &role {
            Role::All => Scope::ALL,
            Role::Organizations(names) => Scope::organizations(names.iter().cloned())?,
        };
        Ok(Self { known_by, name, role, expires, scope })
    }

    /// The scope of everything that it searches.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Its organizations, if it may see only some.
    pub fn organizations(&self) -> Option<&[String]> {
        match &self.role {
            Role::All => None,
            Role::Organizations(names) => Some(names),
        }
    }
}
