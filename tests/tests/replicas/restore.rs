use std::time::Duration;

use tests::command::latchkey;
use tests::ports::Ports;
use tests::setup::Setup;
use tests::visitor::Tokens;
use tests::watch::wait_for;

use crate::{companions, gateways, with_alice};

/// RV-17, RR-17: the database is put back to an older copy while companions and gateways run. Numbers come again; no gateway takes the
/// one revocation for the other, and the operator's command ends what the copy has revived.
#[test]
fn a_database_put_back_under_running_companions_hands_out_numbers_again_and_skips_none() {
    let (mut stack, alice) = with_alice(Setup::on(Ports::free_block(2).unwrap()));
    let (doors, companions) = (gateways(&stack), companions(&stack));
    let sessions: Vec<Tokens> = (0..6)
        .map(|_| alice.login(&companions[0]).unwrap())
        .collect();
    let copy = tempfile::tempdir().unwrap();
    let postgres = stack.postgres_mut().unwrap();
    postgres.stop_fast().unwrap();
    postgres.copy_data(&copy.path().join("data")).unwrap();
    postgres.start_again().unwrap();
    stack.await_ready().unwrap();

    let end = |tokens: &Tokens, at: usize| {
        let logout = tokens.log_out(&companions[at]).unwrap();
        let logout = logout.expect(200, "logout").unwrap();
        for door in &doors {
            assert_eq!(tokens.call(door).unwrap().status, 401);
        }
        logout.json()["revocation"]["seq"].as_u64().unwrap()
    };
    // A gateway whose polls failed while the database was away comes again after up to five seconds: the first answer may be 202. The
    // same call answers the same receipt again.
    wait_for(
        "the gateways to poll again",
        Duration::from_secs(20),
        || Ok((sessions[0].log_out(&companions[0])?.status == 200).then_some(())),
    )
    .unwrap();
    let lost = [end(&sessions[0], 0), end(&sessions[1], 1)];

    let postgres = stack.postgres_mut().unwrap();
    postgres.stop_immediate().unwrap();
    postgres.put_back(&copy.path().join("data")).unwrap();
    postgres.start_again().unwrap();
    stack.await_ready().unwrap();

    // The gateways keep what the database has forgotten.
    for tokens in &sessions[..2] {
        for door in &doors {
            assert_eq!(tokens.call(door).unwrap().status, 401);
        }
    }
    // The same numbers, other sessions: in force at the very next request all the same.
    let again = [(&sessions[2], 1), (&sessions[3], 0)].map(|(tokens, at)| {
        let logout = tokens.log_out(&companions[at]).unwrap();
        if logout.status == 200 {
            for door in &doors {
                assert_eq!(tokens.call(door).unwrap().status, 401);
            }
        }
        assert!([200, 202].contains(&logout.status), "{}", logout.text());
        logout.json()["revocation"]["seq"].as_u64().unwrap()
    });
    assert_eq!(again, lost);
    let logs: String = (0..2)
        .map(|number| stack.replica(number).unwrap().log())
        .collect();
    assert!(logs.contains("put back to an older copy"), "{logs}");

    // Revived, and nobody but the operator knows.
    let revived = sessions[0].try_refresh(&companions[0]).unwrap();
    assert_eq!(revived.status, 200, "{}", revived.text());
    let revived = Tokens::of(&revived).unwrap();
    let url = stack.folder().join("postgres.url");
    let variables = [
        ("LATCHKEY_STORE__KIND", "postgres"),
        ("LATCHKEY_STORE__URL_FILE", url.to_str().unwrap()),
    ];
    let end_all = ["sessions", "end", "--all", "--direct"];
    let printed = latchkey(stack.folder(), &end_all, &variables).unwrap();
    let printed = printed.expect().unwrap();
    assert!(printed.starts_with("4 sessions ended"), "{printed}");
    let last = alice.login(&companions[0]).unwrap();
    end(&last, 0);
    for tokens in sessions.iter().chain([&revived]) {
        assert_eq!(tokens.try_refresh(&companions[1]).unwrap().status, 401);
        for door in &doors {
            assert_eq!(tokens.call(door).unwrap().status, 401);
        }
    }
}

/// KR-03: the leaked key signs nothing any more, at any gateway and at no replica.
#[test]
fn replaced_signing_keys_are_in_force_at_every_replica_and_gateway() {
    let (stack, alice) = with_alice(Setup::on(Ports::free_block(2).unwrap()));
    let (doors, companions) = (gateways(&stack), companions(&stack));
    let old = alice.login(&companions[0]).unwrap();
    let url = stack.folder().join("postgres.url");
    let variables = [
        ("LATCHKEY_STORE__KIND", "postgres"),
        ("LATCHKEY_STORE__URL_FILE", url.to_str().unwrap()),
    ];
    let replace = ["keys", "replace", "--direct"];
    let printed = latchkey(stack.folder(), &replace, &variables).unwrap();
    printed.expect().unwrap();
    wait_for(
        "the gateways to have the new keys",
        Duration::from_secs(5),
        || {
            let statuses = doors.iter().map(|door| Ok(old.call(door)?.status));
            let statuses: Vec<_> = statuses.collect::<Result<_, tests::fault::Fault>>()?;
            Ok((statuses == [401, 401]).then_some(()))
        },
    )
    .unwrap();
    // Each replica signs with the new one within a second, and the session is what it was.
    tests::watch::wait_for(
        "both replicas to sign with the new key",
        std::time::Duration::from_secs(5),
        || {
            let mut accepted = true;
            for companion in &companions {
                let fresh = alice.login(companion)?;
                for door in &doors {
                    accepted &= fresh.call(door)?.status == 200;
                }
            }
            Ok(accepted.then_some(()))
        },
    )
    .unwrap();
    assert_eq!(old.try_refresh(&companions[1]).unwrap().status, 200);
}
