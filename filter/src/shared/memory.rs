//! Shared data with Envoy's rules, for the tests of the rules.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{Conflict, Found, Seen, SharedData};

type Interruption = Box<dyn FnOnce(&Memory)>;

#[derive(Default)]
pub(crate) struct Memory {
    inner: RefCell<Inner>,
    operations: Cell<usize>,
    interruption: RefCell<Option<(usize, Interruption)>>,
    unwritable: RefCell<Option<String>>,
    unreadable: RefCell<Option<String>>,
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

    /// How many reads and writes there have been.
    pub(crate) fn operations(&self) -> usize {
        self.operations.get()
    }

    /// Lets another thread act just before the operation of that number, counted from now; 0 is the next one.
    pub(crate) fn interrupt(&self, before: usize, act: impl FnOnce(&Self) + 'static) {
        let at = self.operations.get().saturating_add(before);
        *self.interruption.borrow_mut() = Some((at, Box::new(act)));
    }

    /// Lets every write to keys with that ending fail, until another ending is named.
    pub(crate) fn refuse_writes_to(&self, ending: Option<&str>) {
        *self.unwritable.borrow_mut() = ending.map(str::to_owned);
    }

    /// Lets every read of keys with that ending get an odd answer, until another ending is named.
    pub(crate) fn refuse_reads_of(&self, ending: Option<&str>) {
        *self.unreadable.borrow_mut() = ending.map(str::to_owned);
    }

    fn step(&self) {
        let is_due = |(at, _): &mut (usize, Interruption)| *at == self.operations.get();
        let due = self.interruption.borrow_mut().take_if(is_due);
        if let Some((_, act)) = due {
            act(self);
        }
        self.operations.set(self.operations.get().saturating_add(1));
    }
}

impl SharedData for Memory {
    fn read(&self, key: &str) -> Found {
        self.step();
        if names(&self.unreadable, key) {
            return Found::Failed;
        }
        match self.inner.borrow().values.get(key) {
            None => Found::Missing,
            Some((value, version)) => Found::Value(value.clone(), *version),
        }
    }

    fn write(&self, key: &str, value: &[u8], seen: Seen) -> Result<(), Conflict> {
        self.step();
        if names(&self.unwritable, key) {
            return Err(Conflict);
        }
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

fn names(ending: &RefCell<Option<String>>, key: &str) -> bool {
    let ending = ending.borrow();
    ending.as_ref().is_some_and(|ending| key.ends_with(ending))
}
