//! Tokens that were verified before, by all of their bytes.

use std::collections::BTreeMap;
use std::rc::Rc;

use token::AccessToken;

/// A bounded cache of one configuration in one VM (TV-27).
///
/// Holds verified tokens only. Whoever takes one out checks its time and its session again. Two generations: when the young one is
/// full, by number or by bytes, the old one goes, so a flood of tokens costs no more than two tables and no scan. Ordered tables: nobody can choose tokens that
/// collide, and no random key is drawn for them, which would end the VM where the host gives none.
pub(crate) struct VerifiedTokens {
    capacity: usize,
    keys: u64,
    young: BTreeMap<Box<[u8]>, Rc<AccessToken>>,
    young_bytes: usize,
    old: BTreeMap<Box<[u8]>, Rc<AccessToken>>,
}

/// What the tokens of one generation may take as they were sent. Read, each takes a few times that; a VM has 1 GiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

impl VerifiedTokens {
    /// Room for `capacity` tokens, at least two.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(2),
            keys: 0,
            young: BTreeMap::new(),
            young_bytes: 0,
            old: BTreeMap::new(),
        }
    }

    /// The token of exactly these bytes, if it was verified with this generation of the key set.
    pub(crate) fn find(&mut self, raw: &[u8], keys: u64) -> Option<Rc<AccessToken>> {
        if keys != self.keys {
            self.young.clear();
            self.young_bytes = 0;
            self.old.clear();
            self.keys = keys;
        }
        if let Some(token) = self.young.get(raw) {
            return Some(Rc::clone(token));
        }
        let (raw, token) = self.old.remove_entry(raw)?;
        self.insert(raw, Rc::clone(&token));
        Some(token)
    }

    /// Keeps a token that was verified with generation `keys` of the key set, the one of the last [`VerifiedTokens::find`].
    pub(crate) fn keep(&mut self, raw: &[u8], keys: u64, token: Rc<AccessToken>) {
        if keys == self.keys {
            self.insert(raw.into(), token);
        }
    }

    fn insert(&mut self, raw: Box<[u8]>, token: Rc<AccessToken>) {
        if self.young.len() >= self.capacity.div_euclid(2) || self.young_bytes > MAX_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(raw.len());
        self.young.insert(raw, token);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len().saturating_add(self.old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::token;

    /// TV-27: every byte counts, and so does the key set.
    #[test]
    fn a_token_is_found_by_all_its_bytes_and_its_key_set() {
        let mut cache = VerifiedTokens::new(8);
        assert!(cache.find(b"a.b.c", 1).is_none());
        cache.keep(b"a.b.c", 1, token());
        assert!(cache.find(b"a.b.c", 1).is_some());
        for other in [&b"a.b.d"[..], b"a.b", b"a.b.c "] {
            assert!(cache.find(other, 1).is_none());
        }
        assert!(cache.find(b"a.b.c", 2).is_none());
        cache.keep(b"a.b.c", 1, token());
        assert!(cache.find(b"a.b.c", 2).is_none());
    }

    /// TV-27: flat memory.
    #[test]
    fn a_flood_of_tokens_stays_within_the_bound() {
        let mut cache = VerifiedTokens::new(8);
        for number in 0..1_000_u32 {
            let _ = cache.find(&number.to_be_bytes(), 0);
            cache.keep(&number.to_be_bytes(), 0, token());
            assert!(cache.len() <= 8);
            assert!(cache.find(&number.to_be_bytes(), 0).is_some());
        }
    }

    /// TV-27: however large they are.
    #[test]
    fn a_flood_of_large_tokens_stays_within_the_bound() {
        let mut cache = VerifiedTokens::new(1_000_000);
        let mut raw = vec![0; 1024 * 1024];
        for number in 0..100 {
            raw[0] = number;
            let _ = cache.find(&raw, 0);
            cache.keep(&raw, 0, token());
            assert!(cache.len() <= 2 * (MAX_BYTES / raw.len() + 1));
            assert!(cache.find(&raw, 0).is_some());
        }
    }
}
