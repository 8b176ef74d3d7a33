//! The contexts that the host has created, by its numbers.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Plugin;

/// Configurations and the requests that came in under them.
///
/// While a listener drains, old and new configurations live in one VM. A request belongs for its whole life to the configuration
/// under which it came in. A number that leads to no configuration is nobody's: such a request is refused, such a callback dropped.
pub(super) struct Contexts {
    roots: BTreeMap<u32, Rc<Plugin>>,
    streams: BTreeMap<u32, Rc<Plugin>>,
}

impl Contexts {
    pub(super) const fn new() -> Self {
        Self {
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// A root context exists for us from its configuration on.
    pub(super) fn configure(&mut self, root: u32, plugin: Plugin) {
        self.roots.insert(root, Rc::new(plugin));
    }

    pub(super) fn open(&mut self, stream: u32, root: u32) {
        match self.roots.get(&root) {
            Some(plugin) => self.streams.insert(stream, Rc::clone(plugin)),
            None => self.streams.remove(&stream),
        };
    }

    pub(super) fn root(&self, number: u32) -> Option<Rc<Plugin>> {
        self.roots.get(&number).cloned()
    }

    pub(super) fn stream(&self, number: u32) -> Option<Rc<Plugin>> {
        self.streams.get(&number).cloned()
    }

    /// The end of a context of either kind; their numbers differ.
    pub(super) fn delete(&mut self, number: u32) {
        self.roots.remove(&number);
        self.streams.remove(&number);
    }
}
