//! On which path a request is decided.

use super::*;

/// Without path rules a strange path cannot open anything: it needs a token like any other.
#[test]
fn without_rules_every_path_needs_a_token() {
    let mut bare = config();
    let members = bare.as_object_mut().unwrap();
    members.remove("rules");
    members.remove("ready_path");
    let mut envoy = Host::latchkey(&bare).vms(1);
    envoy.sync();
    for path in ["/", "/a//b", "/a/../b", "*"] {
        assert_eq!(send(&mut envoy, get(path)).status(), 401, "{path}");
        assert!(
            send(&mut envoy, get(path).bearer(token())).passed(),
            "{path}"
        );
    }
    assert_eq!(
        send(&mut envoy, get("/").without(":path").bearer(token())).status(),
        400
    );
}
