//! Which rollups a viewer may see. Everything that is read of them is asked for here.

use gatelog_collector::rollup::Family;
use gatelog_collector::store::counts::starting_with;
use gatelog_search::Scope;
use mongodb::bson::{Bson, DateTime, Document, doc};

use super::period::Looked;

/// The families that a viewer may see, and the part of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

    /// The documents of both periods.
    pub(super) fn filter(&self, looked: Looked) -> Document {
        match &self.organizations {
            None => within(looked, starting_with(&format!("{}:", looked.resolution()))),
            Some(names) => {
                let mut filter = of_organizations(looked);
                filter.insert("dimension.organization", doc! { "$in": names });
                filter
            }
        }
    }

    /// Documents that may have counted the organizations without their names, for those who may not
    /// see them: only whether there are any may be told.
    pub(super) fn unnamed(&self, looked: Looked) -> Option<Document> {
        self.organizations.as_ref()?;
        let mut filter = of_organizations(looked);
        filter.insert("dimension.organization", Bson::Null);
        Some(filter)
    }
}

fn of_organizations(looked: Looked) -> Document {
    let (first, end) = looked.ids(Family::Tenant);
    within(looked, doc! { "_id": { "$gte": first, "$lt": end } })
}

/// Of these documents those of both periods. They are found by their expiry: a server need not be able to search
/// a range of ids by an index.
fn within(looked: Looked, mut documents: Document) -> Document {
    let (first, end) = looked.expiries();
    let [first, end] = [first, end].map(DateTime::from_millis);
    documents.insert("expires_at", doc! { "$gte": first, "$lt": end });
    documents
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
        let filter = visible.filter(looked);
        assert_eq!(
            filter.get_document("dimension.organization").unwrap(),
            &doc! { "$in": ["a", "b"] }
        );
        let nobody = Visible::of(&Scope::organizations([]).unwrap());
        let none: [&str; 0] = [];
        let filter = nobody.filter(looked);
        assert_eq!(
            filter.get_document("dimension.organization").unwrap(),
            &doc! { "$in": none.to_vec() }
        );
        let all = Visible::of(&Scope::ALL);
        assert_eq!((all.tables.len(), all.filter(looked).len()), (4, 2));
    }
}
