//! The adapter: contexts and host calls. Translates between proxy-wasm and the rules, and decides nothing itself.

mod check;
mod feed;
mod host;
mod metrics;
mod pairs;
mod raw;

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use token::Page;

use crate::config::Config;
use crate::denial::{Answer, Denial};
use crate::gate::{Cookies, Gate, Pass, Verdict};
use crate::identity;
use crate::request::Request;
use crate::state::Now;
use crate::subscription::Reply;
use check::HostCheck;
use feed::Feed;
use host::EnvoySharedData;
use metrics::Metrics;
use raw::Level;

const TICK_MILLISECONDS: u32 = 250;
/// A page at its largest, and one byte more, so that a larger one is seen to be too large.
const MAX_BODY_BYTES: usize = Page::MAX_BYTES + 1;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { plugin: None, feed: None }));
}}

/// One configuration in one VM.
struct Root {
    plugin: Option<Rc<Plugin>>,
    feed: Option<Feed>,
}

/// What the root context shares with the contexts of its requests.
struct Plugin {
    config: Rc<Config>,
    gate: RefCell<Gate>,
    check: HostCheck,
    metrics: Metrics,
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        token_id: u32,
        num_headers: usize,
        body_size: usize,
        _num_trailers: usize,
    ) {
        let (Some(plugin), Some(feed)) = (&self.plugin, &mut self.feed) else {
            return;
        };
        let Some(now) = host::now() else {
            return;
        };
        let status = if num_headers == 0 {
            None
        } else {
            host::response_status()
        };
        let body = match status {
            Some(200) => host::response_body(body_size.min(MAX_BODY_BYTES)),
            _ => Vec::new(),
        };
        let reply = Reply { status, body };
        let next =
            feed.subscription
                .answered(&EnvoySharedData, &plugin.check, token_id, &reply, now);
        feed.follow(next, now);
        feed.report(plugin);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let bytes = raw::buffer(raw::PLUGIN_CONFIGURATION, size).unwrap_or_default();
        let config = match Config::parse(&bytes) {
            Ok(config) => Rc::new(config),
            Err(error) => {
                raw::log(
                    Level::Error,
                    &format!("latchkey: configuration refused: {error}"),
                );
                return false;
            }
        };
        let keys = [&config.pinned.access, &config.pinned.feed];
        for ignored in keys.into_iter().flatten().flat_map(token::KeySet::ignored) {
            raw::log(
                Level::Warning,
                &format!("latchkey: jwks: not used: {ignored}"),
            );
        }
        self.feed = Feed::new(&config);
        let metrics = Metrics::declare();
        let check = HostCheck::new(metrics.native_verifications, metrics.guest_verifications);
        let gate = RefCell::new(Gate::new(Rc::clone(&config)));
        self.plugin = Some(Rc::new(Plugin {
            config,
            gate,
            check,
            metrics,
        }));
        raw::set_tick_period(TICK_MILLISECONDS)
    }

    fn on_tick(&mut self) {
        let (Some(plugin), Some(feed)) = (&self.plugin, &mut self.feed) else {
            return;
        };
        if feed.read_token().is_none() {
            return;
        }
        let mut random = [0; 32];
        let (Some(now), Ok(())) = (host::now(), getrandom::getrandom(&mut random)) else {
            return;
        };
        let next = feed.subscription.tick(&EnvoySharedData, now, random);
        feed.follow(next, now);
        feed.report(plugin);
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            plugin: self.plugin.clone(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request.
struct Stream {
    plugin: Option<Rc<Plugin>>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let Some(plugin) = &self.plugin else {
            return host::answer(&Denial::Unsynced.answer("latchkey"));
        };
        let Some(headers) = raw::request_headers() else {
            return plugin.deny(&Denial::AmbiguousPath);
        };
        let request = Request::new(&headers);
        if !plugin.remove_reserved(&request, raw::REQUEST_HEADERS) {
            return plugin.deny(&Denial::Unsynced);
        }
        // Nothing below re-enters: the borrow ends before any answer is sent.
        let decision = match plugin.gate.try_borrow_mut() {
            Ok(mut gate) => gate.decide(
                &request,
                &EnvoySharedData,
                &plugin.check,
                host::now().unwrap_or(Now::UNKNOWN),
            ),
            Err(_) => return plugin.deny(&Denial::Unsynced),
        };
        plugin.metrics.count_lookup(decision.was_known);
        match decision.verdict {
            Verdict::Pass(pass) => plugin.pass(&pass),
            Verdict::Deny(denial) => plugin.deny(&denial),
            Verdict::Ready(is_ready) => host::answer(&readiness(is_ready)),
        }
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        let Some(plugin) = &self.plugin else {
            return host::answer(&Denial::Unsynced.answer("latchkey"));
        };
        match raw::request_trailers() {
            Some(trailers)
                if plugin.remove_reserved(&Request::new(&trailers), raw::REQUEST_TRAILERS) =>
            {
                Action::Continue
            }
            _ => plugin.deny(&Denial::Unsynced),
        }
    }
}

impl Plugin {
    /// Only what is there is removed: every header write clears Envoy's route cache. False: something is still there.
    fn remove_reserved(&self, request: &Request<'_>, map: u32) -> bool {
        let mut reserved = request
            .names()
            .filter(|name| self.config.identity.is_reserved(name));
        reserved.all(|name| {
            self.metrics.sanitised.add(1);
            raw::remove_header(map, name)
        })
    }

    fn pass(&self, pass: &Pass) -> Action {
        let mut is_done = true;
        if pass.drops_authorization {
            is_done &= raw::remove_header(raw::REQUEST_HEADERS, b"authorization");
        }
        match &pass.cookies {
            Cookies::Kept => {}
            Cookies::Others(others) => is_done &= raw::replace_header("cookie", others),
            Cookies::Removed => is_done &= raw::remove_header(raw::REQUEST_HEADERS, b"cookie"),
        }
        for (name, value) in &pass.identity {
            is_done &= raw::replace_header(name, value.as_bytes());
        }
        if let Some(age) = pass.stale_for {
            is_done &= raw::replace_header(identity::STALE, age.to_string().as_bytes());
            self.metrics.stale.add(1);
        }
        // The mark comes last: a request on which a host call failed does not get through the interlock.
        is_done = is_done && raw::replace_header(identity::GATE, b"pass");
        if !is_done {
            return self.deny(&Denial::Unsynced);
        }
        self.metrics.allowed.add(1);
        Action::Continue
    }

    fn deny(&self, denial: &Denial) -> Action {
        self.metrics.count_denial(denial);
        host::answer(&denial.answer(&self.config.realm))
    }
}

fn readiness(is_ready: bool) -> Answer {
    if !is_ready {
        return Denial::Unsynced.answer("latchkey");
    }
    Answer {
        status: 200,
        headers: vec![
            ("content-type", "text/plain".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ],
        body: "ready\n".to_owned(),
        details: "latchkey_ready".to_owned(),
    }
}
