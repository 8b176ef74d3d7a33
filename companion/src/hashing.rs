//! argon2id: what a password is stored as, and whether one fits. Knows nothing of queues and threads.

use argon2::password_hash::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::entropy;
use crate::password::Password;

/// No setting may ask for less (PW-06).
pub const LEAST_MEMORY_KIB: u32 = 19_456;
/// No setting may ask for less (PW-06).
pub const LEAST_PASSES: u32 = 2;
/// Beyond these a stored hash is refused, so that a planted one cannot exhaust the machine (PW-07).
pub const MOST_MEMORY_KIB: u32 = 256 * 1024;
/// See [`MOST_MEMORY_KIB`].
pub const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 16;
const LANES: u32 = 1;
const SALT: usize = 16;
const TAG: usize = 32;
const LONGEST_TAG: usize = 64;

/// What a new hash costs: its memory in KiB, and how often that is passed over. One lane (PW-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            memory_kib: LEAST_MEMORY_KIB,
            passes: LEAST_PASSES,
        }
    }
}

/// What the check of a password found.
#[derive(PartialEq, Eq)]
pub enum Verdict {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and what is stored of it is weaker than new hashes are: here is one to replace it (PW-07).
    Outdated(String),
}

impl Verdict {
    /// Whether it was the password.
    pub const fn is_right(&self) -> bool {
        !matches!(self, Self::Wrong)
    }
}

/// The memory that runs take, one after the other; made at the first.
#[derive(Default)]
pub struct Memory {
    blocks: Vec<Block>,
    runs: u64,
}

impl Memory {
    /// How often argon2id has run in it.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// Gives back all that lies beyond what one hash of this cost takes; without a cost, all.
    pub fn shrink(&mut self, cost: Option<Cost>) {
        let kept = cost.map_or(0, |cost| usize::try_from(cost.memory_kib).unwrap_or(0));
        self.blocks.truncate(kept);
        self.blocks.shrink_to_fit();
    }

    fn run(
        &mut self,
        algorithm: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        tag: &mut [u8],
    ) -> argon2::Result<()> {
        let needed = algorithm.params().block_count();
        if self.blocks.len() < needed {
            self.blocks.resize(needed, Block::default());
        }
        self.runs = self.runs.saturating_add(1);
        algorithm.hash_password_into_with_memory(password, salt, tag, &mut self.blocks)
    }
}

/// A PHC string of argon2id v=19 with a salt of its own.
///
/// # Panics
/// When the cost is beyond the bounds of RFC 9106 section 3.1; the settings allow none such.
#[expect(
    clippy::expect_used,
    reason = "a cost within the bounds of the settings, a salt of 16 bytes and a password of at most 1024 are within RFC 9106 section 3.1"
)]
pub fn hash(password: &Password, cost: Cost, memory: &mut Memory) -> String {
    let salt = entropy::bytes::<SALT>();
    let mut tag = Zeroizing::new([0; TAG]);
    memory
        .run(&argon2id(cost), password.bytes(), &salt, tag.as_mut_slice())
        .expect("a short password");
    let Cost { memory_kib, passes } = cost;
    format!(
        "$argon2id$v=19$m={memory_kib},t={passes},p={LANES}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(tag.as_slice())
    )
}

#[expect(
    clippy::expect_used,
    reason = "the settings keep costs within the bounds of RFC 9106 section 3.1"
)]
fn argon2id(cost: Cost) -> Argon2<'static> {
    let params = Params::new(cost.memory_kib, cost.passes, LANES, Some(TAG)).expect("valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Whether the password is that of `stored`. What is no hash, or one beyond the bounds, has no password; `None` says so.
pub fn verify(
    password: &Password,
    stored: &str,
    cost: Cost,
    memory: &mut Memory,
) -> Option<Verdict> {
    let stored = Stored::parse(stored)?;
    let mut tag = Zeroizing::new([0; LONGEST_TAG]);
    let tag = tag.get_mut(..stored.tag.len())?;
    memory
        .run(&stored.algorithm, password.bytes(), &stored.salt, tag)
        .ok()?;
    if !bool::from(tag.ct_eq(&stored.tag)) {
        return Some(Verdict::Wrong);
    }
    Some(if stored.is_weaker_than(cost) {
        Verdict::Outdated(hash(password, cost, memory))
    } else {
        Verdict::Right
    })
}

/// A stored hash, taken apart.
struct Stored {
    algorithm: Argon2<'static>,
    is_argon2id_19: bool,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Stored {
    fn parse(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(hash.algorithm).ok()?;
        let version = Version::try_from(hash.version?).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let is_bounded = params.m_cost() <= MOST_MEMORY_KIB
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES;
        if !is_bounded {
            return None;
        }
        let mut salt = [0; LONGEST_TAG];
        let salt = hash.salt?.decode_b64(&mut salt).ok()?.to_vec();
        Some(Self {
            algorithm: Argon2::new(algorithm, version, params),
            is_argon2id_19: algorithm == Algorithm::Argon2id && version == Version::V0x13,
            salt,
            tag: hash.hash?.as_bytes().to_vec(),
        })
    }

    fn is_weaker_than(&self, cost: Cost) -> bool {
        let params = self.algorithm.params();
        !self.is_argon2id_19
            || params.m_cost() < cost.memory_kib
            || params.t_cost() < cost.passes
            || self.salt.len() < SALT
            || self.tag.len() < TAG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT_TEXT: &str = "c29tZXNhbHRzb21lc2FsdA";
    const TAG_TEXT: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn verdict(text: &str, stored: &str, cost: Cost) -> Option<Verdict> {
        verify(&password(text), stored, cost, &mut Memory::default())
    }

    /// PW-06: argon2id v=19, m=19456, t=2, p=1, sixteen bytes of salt of its own.
    #[test]
    fn a_hash_has_the_parameters_of_the_standard_and_its_own_salt() {
        let mut memory = Memory::default();
        let new = |memory: &mut Memory| hash(&password("correct horse"), Cost::default(), memory);
        let (first, second) = (new(&mut memory), new(&mut memory));
        assert_eq!(memory.runs(), 2);
        for text in [&first, &second] {
            let rest = text
                .strip_prefix("$argon2id$v=19$m=19456,t=2,p=1$")
                .unwrap();
            let (salt, tag) = rest.split_once('$').unwrap();
            assert_eq!((salt.len(), tag.len()), (22, 43));
        }
        assert_ne!(first, second);
        let is = |text: &str| verdict(text, &first, Cost::default()).unwrap().is_right();
        assert!(is("correct horse"));
        // PW-03: nothing is trimmed or folded.
        for other in ["correct horse ", "Correct horse", "correct  horse", ""] {
            assert!(!is(other), "{other}");
        }
    }

    /// The reference implementation's `test.c` has this one: what others have made is read as they meant it.
    #[test]
    fn a_hash_of_the_reference_implementation_is_verified() {
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let found = |text: &str| verdict(text, stored, Cost::default()).unwrap();
        assert!(!found("Password").is_right());
        // Its salt has eight bytes: it is replaced.
        assert!(matches!(found("password"), Verdict::Outdated(_)));
    }

    /// PW-07: whatever of it is weaker; what is stronger stays.
    #[test]
    fn what_is_weaker_than_new_hashes_is_replaced() {
        let cost = |memory_kib, passes| Cost { memory_kib, passes };
        let mut memory = Memory::default();
        for (stored, now, is_outdated) in [
            (cost(19_456, 2), cost(19_456, 2), false),
            (cost(19_456, 3), cost(19_456, 2), false),
            (cost(20_480, 2), cost(19_456, 2), false),
            (cost(8_192, 2), cost(19_456, 2), true),
            (cost(19_456, 1), cost(19_456, 2), true),
            (cost(20_480, 1), cost(19_456, 2), true),
        ] {
            let old = hash(&password("correct horse"), stored, &mut memory);
            let found = verdict("correct horse", &old, now).unwrap();
            assert!(found.is_right());
            let Verdict::Outdated(new) = found else {
                assert!(!is_outdated, "{stored:?}");
                continue;
            };
            assert!(is_outdated, "{stored:?}");
            assert!(verdict("correct horse", &new, now) == Some(Verdict::Right));
            // Whoever does not know the password replaces nothing.
            assert!(verdict("correct horsf", &old, now) == Some(Verdict::Wrong));
        }
    }

    /// PW-07: malformed and oversized strings are no hashes, and cost nothing.
    #[test]
    fn a_planted_hash_is_refused_before_it_costs_anything() {
        let mut memory = Memory::default();
        for parameters in [
            "m=4000000,t=2,p=1",
            "m=262145,t=2,p=1",
            "m=19456,t=4000000,p=1",
            "m=19456,t=11,p=1",
            "m=19456,t=2,p=200",
            "m=0,t=2,p=1",
            "m=19456,t=0,p=1",
        ] {
            let stored = format!("$argon2id$v=19${parameters}${SALT_TEXT}${TAG_TEXT}");
            let found = verify(&password("x"), &stored, Cost::default(), &mut memory);
            assert!(found.is_none(), "{stored}");
        }
        for stored in [
            "",
            "$",
            "plain",
            "$argon2id$v=19$m=1$x$y",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            &format!("$argon2id$v=19$m=19456,t=2,p=1${SALT_TEXT}"),
            &format!("$argon2id$m=19456,t=2,p=1${SALT_TEXT}${TAG_TEXT}"),
        ] {
            let found = verify(&password("x"), stored, Cost::default(), &mut memory);
            assert!(found.is_none(), "{stored}");
        }
        assert_eq!(memory.runs(), 0);
    }
}
