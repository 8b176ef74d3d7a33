//! Shared data with Envoy's rules, for the tests of the rules.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Conflict, Found, Seen, SharedData};

#[derive(Default)]
pub(crate) struct Memory {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    values: BTreeMap<String, (Vec<u8>, u32)>,
    last_version: u32,
}

impl Memory {
    pub(crate) fn put(&self, key: &str, value: &[u8]) {
        self.write(key, value, Seen::Anything).unwrap();
    }

    pub(crate) fn wipe(&self) {
        self.inner.borrow_mut().values.clear();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.inner.borrow().values.keys().cloned().collect()
    }
}

impl SharedData for Memory {
    fn read(&self, key: &str) -> Found {
        match self.inner.borrow().values.get(key) {
            None => Found::Missing,
            Some((value, version)) => Found::Value(value.clone(), *version),
        }
    }

    fn write(&self, key: &str, value: &[u8], seen: Seen) -> Result<(), Conflict> {
        let mut inner = self.inner.borrow_mut();
        let held = inner.values.get(key).map(|(_, version)| *version);
        match (held, seen) {
            (Some(_), Seen::Absent) => return Err(Conflict),
            (Some(held), Seen::Version(seen)) if held != seen => return Err(Conflict),
            // A missing key is created whatever version was asked for, as on Envoy.
            _ => {}
        }
        inner.last_version = inner.last_version.wrapping_add(1);
        let version = inner.last_version;
        inner
            .values
            .insert(key.to_owned(), (value.to_vec(), version));
        Ok(())
    }
}
