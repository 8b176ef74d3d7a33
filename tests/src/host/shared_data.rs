//! Shared data by Envoy's rules: one map of a process, numbered writes, nothing is ever deleted. Knows no wasmtime.

use std::collections::BTreeMap;

use crate::host::abi::Status;

/// The shared data of one Envoy process under one `vm_id`.
#[derive(Default)]
pub struct SharedData {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
    interruption: Option<Interruption>,
}

type Interruption = Box<dyn FnMut(&mut SharedData, Access<'_>)>;

/// A guest's call that is about to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// It reads this key.
    Get(&'a [u8]),
    /// It writes this key.
    Set(&'a [u8]),
}

impl SharedData {
    /// The value and its number, if the key exists.
    pub fn get(&self, key: &[u8]) -> Option<(&[u8], u32)> {
        self.entries
            .get(key)
            .map(|(value, cas)| (value.as_slice(), *cas))
    }

    /// Writes a value. `cas` 0 writes without a check; on a missing key `cas` is not looked at and the key is created.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] when the key exists with another number.
    pub fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        let held = self.entries.get(key).map(|(_, held)| *held);
        if cas != 0 && held.is_some_and(|held| held != cas) {
            return Err(Status::CasMismatch);
        }
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        self.entries
            .insert(key.to_vec(), (value.to_vec(), self.last_cas));
        Ok(())
    }

    /// Every key, in order.
    pub fn keys(&self) -> Vec<String> {
        self.entries
            .keys()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }

    /// The one key that ends with `suffix`; panics when there is none or more than one.
    pub fn key_ending(&self, suffix: &str) -> String {
        let keys = self.keys();
        let mut found = keys.iter().filter(|key| key.ends_with(suffix));
        match (found.next(), found.next()) {
            (Some(key), None) => key.clone(),
            _ => panic!("not exactly one key ends with {suffix}: {keys:?}"),
        }
    }

    /// Loses everything but the numbering, as Envoy does with the last VM of the `vm_id`.
    pub fn wipe(&mut self) {
        self.entries.clear();
    }

    /// Runs `interruption` just before each further call of a guest, as another worker thread might.
    pub fn interrupt(&mut self, interruption: impl FnMut(&mut Self, Access<'_>) + 'static) {
        self.interruption = Some(Box::new(interruption));
    }

    /// Ends what [`SharedData::interrupt`] began.
    pub fn stop_interrupting(&mut self) {
        self.interruption = None;
    }

    pub(crate) fn about_to(&mut self, access: Access<'_>) {
        if let Some(mut interruption) = self.interruption.take() {
            interruption(self, access);
            self.interruption.get_or_insert(interruption);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_one_and_move_with_every_write() {
        let mut data = SharedData::default();
        data.set(b"a", b"1", 0).unwrap();
        data.set(b"b", b"2", 0).unwrap();
        assert_eq!(data.get(b"a"), Some((b"1".as_slice(), 1)));
        assert_eq!(data.get(b"b"), Some((b"2".as_slice(), 2)));
        data.set(b"a", b"", 1).unwrap();
        assert_eq!(data.get(b"a"), Some((b"".as_slice(), 3)));
    }

    #[test]
    fn the_numbering_skips_zero_when_it_wraps() {
        let mut data = SharedData {
            last_cas: u32::MAX,
            ..SharedData::default()
        };
        data.set(b"a", b"", 0).unwrap();
        assert_eq!(data.get(b"a").unwrap().1, 1);
    }

    #[test]
    fn a_number_is_checked_only_where_the_key_exists() {
        let mut data = SharedData::default();
        data.set(b"a", b"first", u32::MAX).unwrap();
        assert_eq!(
            data.set(b"a", b"second", u32::MAX),
            Err(Status::CasMismatch)
        );
        assert_eq!(data.get(b"a").unwrap().0, b"first");
        data.wipe();
        data.set(b"a", b"third", 1).unwrap();
        assert_eq!(data.get(b"a"), Some((b"third".as_slice(), 2)));
    }
}
