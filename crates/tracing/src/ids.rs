//! The ids of a span: what every record within it gets.

use crate::fields::{ID_FIELDS, IDS, IdName};

/// Ids by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids([Option<Box<str>>; IDS]);

impl Ids {
    pub(crate) fn get(&self, name: IdName) -> Option<&str> {
        self.0.get(name as usize)?.as_deref()
    }

    pub(crate) fn set(&mut self, name: IdName, value: Option<&str>) {
        if let (Some(place), Some(value)) = (self.0.get_mut(name as usize), value) {
            *place = Some(value.into());
        }
    }

    /// Every id that is known.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IdName, &str)> {
        let names = ID_FIELDS.iter().map(|(_, name)| *name);
        names.zip(&self.0).filter_map(|(name, id)| Some((name, id.as_deref()?)))
    }

    /// Takes over what is not known yet.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        for (place, value) in self.0.iter_mut().zip(&outer.0) {
            if place.is_none() {
                place.clone_from(value);
            }
        }
    }
}
