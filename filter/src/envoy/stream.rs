//! One request: its headers, its trailers, and the verdict carried out.

use super::host::{self, Action, EnvoySharedData};
use super::{Plugin, raw};
use crate::denial::{Answer, Denial};
use crate::gate::{Cookies, Pass, Verdict};
use crate::request::Request;
use crate::state::Now;
use crate::{identity, pairs};

/// A request that came in under no configuration.
pub(super) fn refuse_unknown() -> Action {
    host::answer(&Denial::Unsynced.answer("latchkey"))
}

impl Plugin {
    pub(super) fn request_headers(&self) -> Action {
        let bytes = raw::request_headers();
        let Some(headers) = bytes.as_deref().and_then(pairs::read) else {
            return self.deny(&Denial::AmbiguousPath);
        };
        let mut request = Request::new(&headers);
        if self.config.has_host_rules() && request.authority().contains(&b':') {
            request = request.at(host::own_port());
        }
        #[cfg(feature = "trap")]
        super::trap::at_request(self, &headers);
        if !self.remove_reserved(&request, raw::REQUEST_HEADERS) {
            return self.deny(&Denial::Unsynced);
        }
        // Nothing below re-enters: the borrow ends before any answer is sent.
        let decision = match self.gate.try_borrow_mut() {
            Ok(mut gate) => gate.decide(
                &request,
                &EnvoySharedData,
                &self.check,
                host::now().unwrap_or(Now::UNKNOWN),
            ),
            Err(_) => return self.deny(&Denial::Unsynced),
        };
        self.metrics.count_lookup(decision.was_known);
        match decision.verdict {
            Verdict::Pass(pass) => self.pass(&pass, &request),
            Verdict::Deny(denial) => self.deny(&denial),
            Verdict::Ready(is_ready) => host::answer(&readiness(is_ready)),
        }
    }

    pub(super) fn request_trailers(&self) -> Action {
        let bytes = raw::request_trailers();
        match bytes.as_deref().and_then(pairs::read) {
            Some(trailers)
                if self.remove_reserved(&Request::new(&trailers), raw::REQUEST_TRAILERS) =>
            {
                Action::Continue
            }
            _ => self.deny(&Denial::Unsynced),
        }
    }

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

    fn pass(&self, pass: &Pass, request: &Request<'_>) -> Action {
        let mut is_done = true;
        if pass.drops_authorization {
            is_done &= raw::remove_header(raw::REQUEST_HEADERS, b"authorization");
        }
        match &pass.cookies {
            Cookies::Kept => {}
            Cookies::Others(others) => is_done &= raw::replace_header("cookie", others),
            Cookies::Removed => is_done &= raw::remove_header(raw::REQUEST_HEADERS, b"cookie"),
        }
        if request.has_loaded_connection() {
            is_done &= raw::replace_header("connection", b"Upgrade");
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
