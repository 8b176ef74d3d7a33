//! The ids of the requirements, and what is wrong with the way they are named.

use std::collections::BTreeSet;

/// Ids by kind; a number that is missing is retired.
pub(crate) type Kinds<'a> = [(&'a str, &'a [u32])];

/// Of the filter.
pub(crate) const FILTER: [(&str, &[u32]); 4] = [
    (
        "TV",
        &[
            1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
            26, 27, 28, 29, 30, 31,
        ],
    ),
    (
        "FR",
        &[
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 21, 22, 23, 24, 25, 26,
        ],
    ),
    ("CK", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("CF", &[1, 2, 3, 4, 5, 6, 7, 8]),
];
/// Of the companion, and of both together.
pub(crate) const COMPANION: [(&str, &[u32]); 13] = [
    (
        "PW",
        &[1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18],
    ),
    ("OT", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15]),
    ("TO", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("RR", &[1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 16, 17]),
    ("SE", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("RV", &[1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 18]),
    ("CK", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("RL", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ("ST", &[1, 2, 3, 5, 6, 7, 8, 9]),
    ("KR", &[1, 2, 3, 4, 6, 7, 8, 9]),
    ("ER", &[1, 2, 3, 4, 6, 7, 8]),
    ("AU", &[1, 2, 3, 4, 6]),
    ("CF", &[1, 2, 3, 4, 5, 6, 7, 8]),
];
/// What no test names yet. Nothing is ever added.
pub(crate) const NOT_YET: &[&str] = &[];

/// All of them as they are written.
pub(crate) fn ids(kinds: &Kinds<'_>) -> BTreeSet<String> {
    let of_kind = |(kind, numbers): &(&str, &[u32])| -> Vec<String> {
        let id = |number| format!("{kind}-{number:02}");
        numbers.iter().map(id).collect()
    };
    kinds.iter().flat_map(of_kind).collect()
}

/// What is neither named nor left out, what is both, and what is left out and is none.
pub(crate) fn faults(
    required: &BTreeSet<String>,
    named: &BTreeSet<String>,
    left_out: &BTreeSet<String>,
) -> Vec<String> {
    let fault = |id: &String| match (named.contains(id), left_out.contains(id)) {
        (true, false) | (false, true) => None,
        (true, true) => Some(format!("{id} is named and left out")),
        (false, false) => Some(format!("{id} is neither named nor left out")),
    };
    let kind = |id: &str| id.split('-').next().map(ToOwned::to_owned);
    let kinds: BTreeSet<_> = required.iter().map(|id| kind(id)).collect();
    // Other kinds may be spoken of in a reason.
    let unknown = left_out
        .iter()
        .filter(|id| kinds.contains(&kind(id)) && !required.contains(*id))
        .map(|id| format!("{id} is left out and no requirement"));
    required.iter().filter_map(fault).chain(unknown).collect()
}

/// Those of the list that are still not named.
pub(crate) fn stale(list: &[&str], named: &BTreeSet<String>) -> BTreeSet<String> {
    let unnamed = |id: &&&str| !named.contains(**id);
    list.iter()
        .filter(unnamed)
        .map(|id| (*id).to_owned())
        .collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// The check can fail, and for each of its reasons.
#[test]
fn an_id_that_no_test_names_is_a_fault() {
    let required = ids(&[("PW", &[1, 3]), ("RL", &[10])]);
    assert_eq!(required, set(&["PW-01", "PW-03", "RL-10"]));
    let all = set(&["PW-01", "PW-03", "RL-10"]);
    let none = BTreeSet::new();
    assert!(faults(&required, &all, &none).is_empty());
    assert!(faults(&required, &set(&["PW-01", "RL-10"]), &set(&["PW-03"])).is_empty());
    // Of another kind: no business of this list.
    assert!(faults(&required, &all, &set(&["SC-01"])).is_empty());
    for (named, left_out, fault) in [
        (
            set(&["PW-01", "RL-10"]),
            none.clone(),
            "PW-03 is neither named nor left out",
        ),
        (all.clone(), set(&["PW-03"]), "PW-03 is named and left out"),
        (
            all.clone(),
            set(&["PW-02"]),
            "PW-02 is left out and no requirement",
        ),
    ] {
        assert_eq!(faults(&required, &named, &left_out), [fault]);
    }
    assert_eq!(faults(&required, &none, &none).len(), 3);
}
