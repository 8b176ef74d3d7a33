//! Who may ask for pages and keys, and in what words.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;

use tests::companion::{Companion, keys_of};

use crate::{companion_with_alice, refusal, stored};

/// Design section 4, "Keys": public halves only, of two sets without a common key, under the number of their last change.
#[test]
fn the_key_document_has_both_sets_and_no_secret() {
    let companion = Companion::start().unwrap();
    let keys = keys_of(&companion).unwrap();
    assert_eq!(
        (keys.version, keys.access.len(), keys.feed.len()),
        (1, 1, 1)
    );
    let token = fs::read_to_string(companion.state().join("gateway.token")).unwrap();
    let document = companion
        .internal()
        .unwrap()
        .get("/gateway/v1/keys")
        .bearer(&token);
    let document = document.send().unwrap();
    assert_eq!(document.header("content-type"), Some("application/json"));
    for set in ["access", "feed"] {
        let key = document.json()[set]["keys"][0].clone();
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        assert_eq!(
            members,
            ["alg", "crv", "kid", "kty", "use", "x", "y"],
            "{set}"
        );
    }
}

/// CF-05, RV-09: nobody polls without a gateway's token, in the one place where it belongs.
#[test]
fn who_holds_no_gateway_token_learns_nothing() {
    let (companion, client, alice) = companion_with_alice();
    let user = alice.login(&client).unwrap();
    let token = fs::read_to_string(companion.state().join("gateway.token")).unwrap();
    let internal = companion.internal().unwrap();
    let poll = format!(
        "/gateway/v1/revocations?v=1&gateway={}&after=0&hold=0&staleness=60",
        user.session
    );
    for path in ["/gateway/v1/keys", &poll] {
        let none = internal.get(path).send().unwrap();
        assert_eq!(refusal(&none), (401, "credential_required".to_owned()));
        let empty = internal
            .get(path)
            .header("authorization", "Bearer ")
            .send()
            .unwrap();
        assert_eq!(refusal(&empty), (401, "invalid_token".to_owned()));
        for wrong in [
            &user.access,
            &user.refresh,
            &token[1..],
            &token.to_lowercase(),
            &format!("{token}A"),
        ] {
            let answer = internal.get(path).bearer(wrong).send().unwrap();
            assert_eq!(refusal(&answer), (401, "invalid_token".to_owned()));
        }
        let separator = if path.contains('?') { '&' } else { '?' };
        let in_query = internal
            .get(&format!("{path}{separator}access_token={token}"))
            .send()
            .unwrap();
        assert_eq!(in_query.status, 401);
        let basic = internal
            .get(path)
            .header("authorization", &format!("Basic {token}"))
            .send()
            .unwrap();
        assert_eq!(basic.status, 401);
        let twice = internal
            .get(path)
            .bearer(&token)
            .header("authorization", "Bearer x")
            .send()
            .unwrap();
        assert_eq!(twice.status, 400);
        assert_eq!(
            internal.get(path).bearer(&token).send().unwrap().status,
            200
        );
    }
}

/// Design section 6: two tokens at a time, so that one can be replaced without a gap.
#[test]
fn a_gateway_token_can_be_replaced_while_the_old_one_is_still_taken() {
    let mut companion = Companion::stopped().unwrap();
    fs::create_dir_all(companion.state()).unwrap();
    let files = ["old.token", "new.token"].map(|name| companion.state().join(name));
    for (file, letter) in files.iter().zip(["o", "n"]) {
        let mut private = fs::OpenOptions::new();
        let mut file = private
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .unwrap();
        std::io::Write::write_all(&mut file, format!("{}\n", letter.repeat(40)).as_bytes())
            .unwrap();
    }
    let takes = |companion: &Companion, letter: &str| {
        let keys = companion.internal().unwrap().get("/gateway/v1/keys");
        keys.bearer(&letter.repeat(40)).send().unwrap().status == 200
    };
    let [old, new] = files;
    companion.change(|settings| settings.gateway_token_files = vec![old, new.clone()]);
    companion.resume().unwrap();
    assert!(takes(&companion, "o") && takes(&companion, "n") && !takes(&companion, "x"));
    companion.change(|settings| settings.gateway_token_files = vec![new]);
    companion.restart().unwrap();
    assert!(takes(&companion, "n") && !takes(&companion, "o"));
}

/// ER-04: each parameter once, in its one spelling, and no other.
#[test]
fn a_malformed_poll_is_refused_and_registers_nobody() {
    let companion = Companion::start().unwrap();
    let token = fs::read_to_string(companion.state().join("gateway.token")).unwrap();
    let internal = companion.internal().unwrap();
    let good = format!("v=1&gateway={}&after=0&hold=0&staleness=60", "a".repeat(32));
    for (part, other) in [
        ("v=1", "v=2"),
        ("v=1", "v="),
        ("v=1&", ""),
        ("v=1", "v=1&v=1"),
        ("v=1", "v=1&debug=1"),
        ("after=0", "after="),
        ("after=0", "after=1"),
        ("after=0", "after=0.0011223344556677"),
        ("after=0", "after=-1"),
        ("after=0", "after=1.001122334455667"),
        ("after=0", "after=1.00112233445566AA"),
        ("after=0", "after=01.0011223344556677"),
        ("after=0", "after=9007199254740992.0011223344556677"),
        ("after=0", "after=0&after=0"),
        ("&after=0", ""),
        ("hold=0", "hold=31"),
        ("hold=0", "hold=-1"),
        ("hold=0", "hold=1.5"),
        ("hold=0", "hold=%30"),
        ("&hold=0", ""),
        ("staleness=60", "staleness=3601"),
        ("staleness=60", "staleness=NONE"),
        ("&staleness=60", ""),
        ("gateway=a", "gateway=A"),
        ("gateway=a", "gateway="),
        ("gateway=a", "gateway=g"),
        ("gateway=a", "gateway=aa"),
    ] {
        let query = good.replacen(part, other, 1);
        let answer = internal
            .get(&format!("/gateway/v1/revocations?{query}"))
            .bearer(&token)
            .send()
            .unwrap();
        assert_eq!(
            refusal(&answer),
            (400, "invalid_request".to_owned()),
            "{query}"
        );
    }
    assert_eq!(
        stored::<u32>(&companion, "SELECT COUNT(*) FROM gateways"),
        0
    );
    let answer = internal
        .get(&format!("/gateway/v1/revocations?{good}"))
        .bearer(&token)
        .send()
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        stored::<u32>(&companion, "SELECT COUNT(*) FROM gateways"),
        1
    );
}
