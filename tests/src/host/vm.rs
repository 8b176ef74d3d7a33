//! One VM: an instance of the module with its contexts, and the calls that Envoy makes into it.

use std::cell::RefCell;
use std::rc::Rc;

use wasmtime::{Instance, Module, Store, Val};

use crate::host::abi::ACTION_CONTINUE;
use crate::host::callout::{Callout, Response};
use crate::host::imports;
use crate::host::request::{Reply, Request};
use crate::host::state::{Capabilities, Root, State, Stream};
use crate::host::world::World;

pub(crate) struct Vm {
    store: Store<State>,
    instance: Instance,
    capabilities: Capabilities,
    /// The text of the trap that ended it.
    pub(crate) failure: Option<String>,
    /// The newest root context, which takes the requests; absent when its configuration was refused.
    root: Option<u32>,
}

impl Vm {
    /// Instantiates and initialises the module and configures one root context.
    pub(crate) fn start(
        module: &Module,
        capabilities: &Capabilities,
        world: &Rc<RefCell<World>>,
        place: usize,
        configuration: &[u8],
    ) -> Self {
        let number = {
            let mut world = world.borrow_mut();
            world.instances += 1;
            world.instances
        };
        let linker = imports::linker(module, capabilities).expect("the imports can be defined");
        let state = State::new(Rc::clone(world), place, number);
        let mut store = Store::new(module.engine(), state);
        let instance = linker
            .instantiate(&mut store, module)
            .expect("every import is one that Envoy offers");
        let memory = instance.get_memory(&mut store, "memory");
        // Builds for wasm32-wasip1 export the second, builds for wasm32-unknown-unknown the first.
        let allocate = ["malloc", "proxy_on_memory_allocate"]
            .iter()
            .find_map(|name| instance.get_typed_func(&mut store, name).ok());
        store.data_mut().memory = memory;
        store.data_mut().allocate = allocate;
        let mut vm = Self {
            store,
            instance,
            capabilities: capabilities.clone(),
            failure: None,
            root: None,
        };
        vm.call("_initialize", &[]);
        vm.configure(configuration);
        vm
    }

    /// A further root context, which takes the requests from now on. `false`: refused or trapped.
    pub(crate) fn configure(&mut self, configuration: &[u8]) -> bool {
        let state = self.store.data_mut();
        let context = state.next_context();
        let root = Root {
            configuration: configuration.to_vec(),
            tick_period: 0,
            next_tick: 0,
        };
        state.roots.insert(context, root);
        let size = u32::try_from(configuration.len()).expect("a configuration below 4 GiB");
        self.call("proxy_on_context_create", &[context, 0]);
        let accepted = self.call("proxy_on_vm_start", &[context, 0]) != Some(0)
            && self.call("proxy_on_configure", &[context, size]) != Some(0)
            && self.failure.is_none();
        self.root = accepted.then_some(context);
        accepted
    }

    /// Whether a root context takes requests. If not, Envoy skips the filter: nothing is checked.
    pub(crate) const fn is_configured(&self) -> bool {
        self.root.is_some()
    }

    /// Ends all root contexts but the newest, as a drained listener does.
    pub(crate) fn drain(&mut self) {
        let old = self.roots().filter(|root| Some(*root) != self.root);
        for root in old.collect::<Vec<_>>() {
            self.call("proxy_on_done", &[root]);
            self.call("proxy_on_delete", &[root]);
            self.store.data_mut().roots.remove(&root);
        }
    }

    fn roots(&self) -> impl Iterator<Item = u32> {
        self.store.data().roots.keys().copied()
    }

    /// When its next tick is due, on the monotonic clock.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        let roots = self.store.data().roots.values();
        let ticking = roots.filter(|root| root.tick_period > 0 && self.failure.is_none());
        ticking.map(|root| root.next_tick).min()
    }

    /// Runs every tick that is due.
    pub(crate) fn tick(&mut self) {
        let now = self.store.data().world().monotonic;
        for context in self.roots().collect::<Vec<_>>() {
            let root = self.store.data_mut().roots.get_mut(&context);
            let Some(root) = root.filter(|root| root.tick_period > 0 && root.next_tick <= now)
            else {
                continue;
            };
            root.next_tick = now + root.tick_period;
            self.call("proxy_on_tick", &[context]);
        }
    }

    pub(crate) fn request(&mut self, request: Request) -> Reply {
        let Some(root) = self.root else {
            return reply(request, None, false, None);
        };
        let state = self.store.data_mut();
        let context = state.next_context();
        let trailers = request.trailers.len();
        let count = request.headers.len();
        let stream = Stream {
            headers: request.headers,
            trailers: request.trailers,
            local: None,
        };
        state.streams.insert(context, stream);
        self.call("proxy_on_context_create", &[context, root]);
        let is_end = u32::from(trailers == 0);
        let mut has_paused = self.has_paused("proxy_on_request_headers", context, count, &[is_end]);
        if trailers > 0 && !has_paused {
            has_paused = self.has_paused("proxy_on_request_trailers", context, trailers, &[]);
        }
        for export in ["proxy_on_done", "proxy_on_log", "proxy_on_delete"] {
            self.call(export, &[context]);
        }
        let stream = self.store.data_mut().streams.remove(&context);
        let stream = stream.unwrap_or_default();
        let request = Request {
            headers: stream.headers,
            trailers: stream.trailers,
        };
        reply(request, stream.local, has_paused, self.failure.clone())
    }

    fn has_paused(
        &mut self,
        export: &'static str,
        context: u32,
        count: usize,
        rest: &[u32],
    ) -> bool {
        let count = u32::try_from(count).expect("few headers");
        let action = self.call(export, &[&[context, count], rest].concat());
        // Envoy stops at a local reply, whatever the filter returned.
        let stream = self.store.data().streams.get(&context);
        action.is_some_and(|action| action != ACTION_CONTINUE)
            || stream.is_some_and(|stream| stream.local.is_some())
    }

    /// Delivers an answer. `false`: the VM or its root context is gone, the answer is dropped.
    pub(crate) fn answer(&mut self, callout: &Callout, response: Response) -> bool {
        let state = self.store.data_mut();
        let is_there = self.failure.is_none()
            && state.instance == callout.instance
            && state.roots.contains_key(&callout.root);
        if is_there {
            self.call_back(callout, response);
        }
        is_there
    }

    /// The callback of a call-out, whether the root context is there or not.
    pub(crate) fn call_back(&mut self, callout: &Callout, response: Response) {
        let size = |size| u32::try_from(size).expect("below 4 GiB");
        let arguments = [
            callout.root,
            callout.token,
            size(response.headers.len()),
            size(response.body.len()),
            size(response.trailers.len()),
        ];
        self.store.data_mut().response = Some(response);
        self.call("proxy_on_http_call_response", &arguments);
        self.store.data_mut().response = None;
    }

    /// Ends the VM as a trap would.
    pub(crate) fn fail(&mut self, why: &str) {
        self.store
            .data()
            .log("critical", &format!("Function failed: {why}"));
        self.failure = Some(why.to_owned());
    }

    /// Calls an export, if there is one and Envoy may call it. `None`: not called, without a result, or it trapped.
    pub(crate) fn call(&mut self, export: &'static str, arguments: &[u32]) -> Option<i32> {
        let may_be_called = export == "_initialize" || self.capabilities.allow(export);
        if self.failure.is_some() || !may_be_called {
            return None;
        }
        let function = self.instance.get_func(&mut self.store, export)?;
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let arguments = arguments
            .iter()
            .map(|number| Val::I32(number.cast_signed()));
        let arguments = arguments.collect::<Vec<_>>();
        let state = self.store.data_mut();
        state.export = export;
        state.effective = arguments
            .first()
            .and_then(Val::i32)
            .unwrap_or(0)
            .cast_unsigned();
        match function.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => results.first().and_then(Val::i32),
            Err(error) => {
                self.fail(&format!("{export}: {error:?}"));
                None
            }
        }
    }
}

fn reply(
    request: Request,
    local: Option<crate::host::request::LocalReply>,
    has_paused: bool,
    failure: Option<String>,
) -> Reply {
    Reply {
        headers: request.headers,
        trailers: request.trailers,
        has_paused,
        local,
        failure,
    }
}
