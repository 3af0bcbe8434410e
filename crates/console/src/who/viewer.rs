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

/// A caller that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
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
        name: String,
        role: Role,
        expires: Option<Timestamp>,
    ) -> Result<Self, TooManyOrganizations> {
        let scope = match &role {
            Role::All => Scope::ALL,
            Role::Organizations(names) => Scope::organizations(names.iter().cloned())?,
        };
        Ok(Self { name, role, expires, scope })
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
