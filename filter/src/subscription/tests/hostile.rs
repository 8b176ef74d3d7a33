//! RV-09: forged, altered, re-typed and truncated answers change nothing and are counted.

use super::*;
use crate::fixture::{access_token, after, key, ok, session};
use token::Rejection;

/// The one answer to the poll that waits; whatever it is, nothing may have moved.
fn is_refused(process: &mut Process, vm: &mut Vm, body: impl Into<Vec<u8>>) -> Note {
    process.pass(5_000);
    vm.tick(process);
    while vm.waits_for.is_none() {
        process.pass(250);
        vm.tick(process);
    }
    if vm.asked().path == "/gateway/v1/keys" {
        vm.get_answer(process);
    }
    let look = |process: &Process| {
        let kept = process.shared.keys();
        let kept = kept.into_iter().filter(|key| !key.ends_with("/lease"));
        kept.map(|key| (key.clone(), process.shared.read(&key)))
            .collect::<Vec<_>>()
    };
    let before = look(process);
    let reply = Reply {
        status: Some(200),
        body: body.into(),
    };
    vm.answer(process, &reply);
    assert_eq!(look(process), before);
    let note = *vm.notes().last().unwrap();
    assert!(note.is_refusal(), "{note:?}");
    note
}

#[test]
fn pages_that_do_not_verify_change_nothing() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    let page = process.companion.page(after(vm.asked()), process.now.wall);
    let good = page.sign(&key(9));
    let parts = good.split('.').collect::<Vec<_>>();
    let mut other_issuer = page.clone();
    other_issuer.iss = "https://other.example.com".into();
    let mut too_many = page.clone();
    too_many.revoked = vec![page.revoked[0]; Page::MAX_ENTRIES + 1];
    for (class, body) in [
        ("an access token", access_token(session(2), 7)),
        (
            "an access token by the feed's key",
            access_token(session(2), 9),
        ),
        ("the access key", page.sign(&key(7))),
        ("another issuer", other_issuer.sign(&key(9))),
        ("too many entries", too_many.sign(&key(9))),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "another payload",
            format!("{}.{}.{}", parts[0], parts[0], parts[2]),
        ),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("something behind it", format!("{good}\n")),
        ("empty", String::new()),
        ("text", "upstream connect error".into()),
        ("the key set", process.companion.key_document().to_json()),
        ("huge", "a".repeat(Page::MAX_BYTES + 1)),
        (
            "huge and well begun",
            format!("{good}{}", "A".repeat(Page::MAX_BYTES)),
        ),
    ] {
        let note = is_refused(&mut process, &mut vm, body);
        assert!(matches!(note, Note::PageRefused(_)), "{class}");
    }
    assert_eq!(process.is_revoked(session(1)), Ok(false));
    is_refused(&mut process, &mut vm, vec![0xff; 600]);
}

#[test]
fn a_page_that_is_cut_or_altered_anywhere_changes_nothing() {
    let (mut process, mut vm) = Process::settled();
    process.companion.revoke(session(1));
    let page = process.companion.page(after(vm.asked()), process.now.wall);
    let good = page.sign(&key(9)).into_bytes();
    for at in (0..good.len()).step_by(7) {
        is_refused(&mut process, &mut vm, &good[..at]);
        let mut altered = good.clone();
        altered[at] ^= 4;
        is_refused(&mut process, &mut vm, altered);
    }
    assert_eq!(process.is_revoked(session(1)), Ok(false));
}

#[test]
fn a_status_other_than_200_is_never_read() {
    for status in [None, Some(204), Some(401), Some(404), Some(503), Some(504)] {
        let (mut process, mut vm) = Process::settled();
        process.companion.revoke(session(1));
        let mut reply = process.companion.answer(vm.asked(), process.now.wall);
        reply.status = status;
        assert_eq!(vm.answer(&process, &reply), None);
        assert_eq!(vm.notes().last(), Some(&Note::Unreachable(status)));
        assert_eq!(process.is_revoked(session(1)), Ok(false));
    }
}

/// KR-06, TV-04: whatever is not a good set leaves the one that is held.
#[test]
fn no_key_set_but_a_good_one_replaces_the_held_one() {
    let mut process = Process::new();
    process.companion.rotate(17, 19);
    let good: Value = serde_json::from_str(&process.companion.key_document().to_json()).unwrap();
    let with = |path: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(path).unwrap() = value;
        document.to_string()
    };
    let symmetric = json!({ "kty": "oct", "kid": "a", "k": "AAAA" });
    for (class, body) in [
        ("empty", String::new()),
        ("text", "upstream connect error".into()),
        ("no keys", with("/access/keys", json!([]))),
        ("no feed keys", with("/feed/keys", json!([]))),
        ("no set", with("/feed", Value::Null)),
        ("symmetric", with("/access/keys", json!([symmetric]))),
        (
            "one key in both sets",
            with("/access", good["feed"].clone()),
        ),
        ("version 2 of the form", with("/v", json!(2))),
        ("no number", with("/version", json!(-1))),
        ("cut", good.to_string()[..200].to_owned()),
    ] {
        let mut vm = process.vm(1);
        process.companion = Companion::new();
        process.shared.wipe();
        vm.settle(&process);
        process.companion.rotate(17, 19);
        let before = (
            process.value("keys"),
            process.value("state"),
            process.version("v"),
        );
        // The page names the next set and is signed by the key that is held.
        let page = process.companion.page(after(vm.asked()), process.now.wall);
        vm.answer(&process, &ok(page.sign(&key(9))));
        assert_eq!(vm.asked().path, "/gateway/v1/keys");
        assert_eq!(vm.answer(&process, &ok(body)), None, "{class}");
        let is_refusal = matches!(vm.notes().last(), Some(Note::KeysRefused(_)));
        assert!(is_refusal, "{class}");
        let after = (
            process.value("keys"),
            process.value("state"),
            process.version("v"),
        );
        assert_eq!(after, before, "{class}");
    }
}

/// A page of an unknown key is a sign, not a proof.
#[test]
fn an_unknown_key_is_told_apart_from_a_bad_signature() {
    let (mut process, mut vm) = Process::settled();
    let page = process.companion.page(after(vm.asked()), process.now.wall);
    let unknown = page.sign(&key(77));
    let note = is_refused(&mut process, &mut vm, unknown);
    assert_eq!(note, Note::PageRefused(Rejection::UnknownKey));
}
