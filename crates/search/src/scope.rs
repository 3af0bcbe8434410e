//! Whose records a caller may see. The one place in which that is added to a query.

use std::collections::BTreeSet;
use std::fmt;

use crate::limits::ORGANIZATIONS;

/// Whose records a caller may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `None` is everybody's, also those without an organization.
    organizations: Option<BTreeSet<String>>,
}

/// More organizations than a scope can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyOrganizations;

impl fmt::Display for TooManyOrganizations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {ORGANIZATIONS} organizations: give the role that sees all of them")
    }
}

impl std::error::Error for TooManyOrganizations {}

impl Scope {
    /// All records.
    pub const ALL: Self = Self { organizations: None };

    /// Only records of these organizations; none if there are none. An empty name is nobody's.
    ///
    /// # Errors
    ///
    /// There are more than [`ORGANIZATIONS`].
    pub fn organizations(
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, TooManyOrganizations> {
        let names = names.into_iter().filter(|name| !name.is_empty());
        let names: BTreeSet<_> = names.take(ORGANIZATIONS.saturating_add(1)).collect();
        if names.len() > ORGANIZATIONS {
            return Err(TooManyOrganizations);
        }
        Ok(Self { organizations: Some(names) })
    }

    /// The organizations, if only some.
    pub fn names(&self) -> Option<impl Iterator<Item = &str> + Clone> {
        Some(self.organizations.as_ref()?.iter().map(String::as_str))
    }

    /// Whether a record of this organization, or of none, may be seen.
    pub(crate) fn admits(&self, organization: Option<&str>) -> bool {
        match &self.organizations {
            None => true,
            Some(names) => organization.is_some_and(|name| names.contains(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Scope {
        Scope::organizations(names.iter().map(|&name| name.to_owned())).unwrap()
    }

    #[test]
    fn an_empty_scope_sees_nothing_and_no_scope_sees_another_organization() {
        assert!(Scope::ALL.admits(None) && Scope::ALL.admits(Some("a")));
        assert!(of(&["a", "b"]).admits(Some("b")));
        assert!(!of(&["a", "b"]).admits(Some("c")) && !of(&["a"]).admits(None));
        assert!(!of(&[]).admits(None) && !of(&[]).admits(Some("")) && !of(&[""]).admits(Some("")));
    }

    #[test]
    fn too_many_organizations_are_refused_rather_than_cut() {
        let names = |count: usize| (0..count).map(|number| number.to_string());
        assert!(Scope::organizations(names(ORGANIZATIONS)).is_ok());
        assert_eq!(Scope::organizations(names(ORGANIZATIONS + 1)), Err(TooManyOrganizations));
    }
}
