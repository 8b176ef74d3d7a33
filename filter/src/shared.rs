//! Shared data as the rules see it: values under keys, each with a version for compare-and-swap.

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No such key.
    Missing,
    /// The bytes and their version. An empty value is a value.
    Value(Vec<u8>, u32),
    /// The host answered something else. Never to be taken for `Missing`.
    Failed,
}

/// What the writer has seen before it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There was no such key.
    Absent,
    /// This version.
    Version(u32),
    /// It does not matter.
    Anything,
}

/// Another writer was first, or the host refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

/// What the rules need of the host's shared data.
///
/// On Envoy a write with a version to a *missing* key creates it, whatever the version: whoever relies on a key being there must
/// read it once more afterwards.
pub(crate) trait SharedData {
    /// Reads one value.
    fn read(&self, key: &str) -> Found;
    /// Writes one value if `seen` still holds.
    fn write(&self, key: &str, value: &[u8], seen: Seen) -> Result<(), Conflict>;
}

/// The keys of one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    prefix: String,
}

impl Scope {
    /// The keys below `latchkey/1/<namespace>/`; 1 is the version of this layout.
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            prefix: format!("latchkey/1/{namespace}/"),
        }
    }

    /// `alive`, `lease`, `state`, `keys` or `v`.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// One of the 65,536 buckets.
    pub(crate) fn bucket(&self, number: u16) -> String {
        format!("{}b/{number:04x}", self.prefix)
    }
}

#[cfg(test)]
pub(crate) mod memory;
