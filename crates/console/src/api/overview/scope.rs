//! Which rollups a viewer may see. Everything that is read of them is asked for here.

use gatelog_collector::rollup::Family;
use gatelog_search::Scope;
use mongodb::bson::{Bson, Document, doc};

use super::period::Looked;

/// The families that a viewer may see, and the part of them.
pub(super) struct Visible {
    /// Those that have a table.
    pub(super) tables: &'static [Family],
    /// The one whose exchanges make the series.
    pub(super) series: Family,
    organizations: Option<Vec<String>>,
}

impl Visible {
    /// What is within a scope: everything, or of the family `tenant` the organizations' own.
    pub(super) fn of(scope: &Scope) -> Self {
        match scope.names() {
            None => Self { tables: &Family::ALL, series: Family::Route, organizations: None },
            Some(names) => Self {
                tables: &[Family::Tenant],
                series: Family::Tenant,
                organizations: Some(names.map(str::to_owned).collect()),
            },
        }
    }

    /// Whether that is only a part.
    pub(super) fn is_restricted(&self) -> bool {
        self.organizations.is_some()
    }

    /// The documents of a family in both periods.
    pub(super) fn filter(&self, family: Family, looked: Looked) -> Document {
        let mut filter = range(family, looked);
        if let Some(names) = &self.organizations {
            filter.insert("dimension.organization", doc! { "$in": names });
        }
        filter
    }

    /// Documents that may have counted the organizations without their names, for those who may not
    /// see them: only whether there are any may be told.
    pub(super) fn unnamed(&self, looked: Looked) -> Option<Document> {
        self.organizations.as_ref()?;
        let mut filter = range(Family::Tenant, looked);
        filter.insert("dimension.organization", Bson::Null);
        Some(filter)
    }
}

fn range(family: Family, looked: Looked) -> Document {
    let (first, end) = looked.ids(family);
    doc! { "_id": { "$gte": first, "$lt": end } }
}

#[cfg(test)]
mod tests {
    use super::super::super::span::{Span, time};
    use super::*;

    #[test]
    fn a_restricted_viewer_is_given_the_family_tenant_and_their_own_names_only() {
        let span = Span { since: time(0), until: time(60_000) };
        let looked = Looked::of(span, 0);
        let names = ["a".to_owned(), "b".to_owned(), String::new()];
        let visible = Visible::of(&Scope::organizations(names).unwrap());
        assert_eq!((visible.tables, visible.series), (&[Family::Tenant][..], Family::Tenant));
        let filter = visible.filter(Family::Tenant, looked);
        assert_eq!(
            filter.get_document("dimension.organization").unwrap(),
            &doc! { "$in": ["a", "b"] }
        );
        let nobody = Visible::of(&Scope::organizations([]).unwrap());
        let none: [&str; 0] = [];
        let filter = nobody.filter(Family::Tenant, looked);
        assert_eq!(
            filter.get_document("dimension.organization").unwrap(),
            &doc! { "$in": none.to_vec() }
        );
        let all = Visible::of(&Scope::ALL);
        assert_eq!((all.tables.len(), all.filter(Family::Route, looked).len()), (4, 1));
    }
}
