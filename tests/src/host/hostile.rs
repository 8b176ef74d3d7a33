//! What a test makes the host do that Envoy does not do, or does only when something is wrong.

use crate::host::{Callout, Host, Response};

/// Data that an import returns in place of its own.
#[derive(Clone, Debug)]
pub enum Returned {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Its own size, without a pointer.
    NoPointer,
    /// Its own pointer, with size 0.
    NoSize,
}

impl Host {
    /// Makes an import answer this status, and do nothing else, from now on.
    pub fn force(&mut self, import: &str, status: i32) {
        let mut world = self.world.borrow_mut();
        world.forced.insert(import.to_owned(), status);
    }

    /// Ends all that [`Host::force`] and [`Host::return_instead`] began.
    pub fn stop_forcing(&mut self) {
        let mut world = self.world.borrow_mut();
        world.forced.clear();
        world.returned.clear();
    }

    /// Whether the foreign function `verify_signature` exists.
    pub fn set_native_verification(&mut self, exists: bool) {
        self.world.borrow_mut().has_verify_signature = exists;
    }

    /// Whether `verify_signature` finds every signature wrong, good ones too.
    pub fn set_native_refusal(&mut self, refuses: bool) {
        self.world.borrow_mut().refuses_signatures = refuses;
    }

    /// Makes an import return other data where it returns some, until [`Host::stop_forcing`].
    pub fn return_instead(&mut self, import: &str, data: Returned) {
        let mut world = self.world.borrow_mut();
        world.returned.insert(import.to_owned(), data);
    }

    /// Calls back with an answer to a call-out, whether one waits or not, under any number of a root context and of a call.
    pub fn answer_as(&mut self, callout: &Callout, root: u32, call: u32, response: Response) {
        let mut callout = callout.clone();
        (callout.root, callout.token) = (root, call);
        if let Some(vm) = self.vms.get_mut(callout.vm) {
            vm.call_back(&callout, response);
        }
    }
}
