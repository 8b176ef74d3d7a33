//! Two readers of one token.

use std::time::Duration;

use token::{AccessToken, Expected, KeySet, Rejection, SoftwareCheck, UnixTime};

use crate::draft::{Draft, keys};
use crate::second_json::Json;
use crate::second_reader::{self, Demands, Read};

pub(crate) const ISSUER: &str = "https://www.example.com";
const AUDIENCE: &str = "api";
const NOW: i64 = 1_800_000_000;
/// Beyond this many seconds from the epoch our reader may refuse a moment that the rules allow.
const FAR: i64 = 1 << 42;
/// A token of this many values is never too much.
const FEW: usize = 70;

pub(crate) fn verify(raw: &[u8], keys: &KeySet) -> Result<AccessToken, Rejection> {
    let expected = Expected {
        issuer: ISSUER,
        audiences: &[AUDIENCE.to_owned()],
        clock_skew: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(900),
    };
    let now = UnixTime::from_seconds(NOW);
    AccessToken::verify(raw, keys, &SoftwareCheck, &expected, now)
}

fn second(raw: &[u8]) -> Option<Read> {
    let demands = Demands {
        issuer: ISSUER,
        audience: AUDIENCE,
        now: NOW,
    };
    second_reader::read(raw, &keys(), &demands)
}

/// What we accept, the second reader accepts and reads alike.
pub(crate) fn agree(raw: &[u8], verdict: Result<AccessToken, Rejection>) {
    let Ok(token) = verdict else { return };
    let ours = Read {
        sub: token.subject().to_owned(),
        aud: token.audiences().to_vec(),
        exp: token.expires_at().seconds(),
        sid: token.session().to_string(),
    };
    assert_eq!(second(raw), Some(ours));
}

/// TV-09 to TV-25: in both directions, so that we refuse nothing that the rules allow either.
#[test]
fn token() {
    let keys = keys();
    bolero::check!().with_iterations(256).for_each(|text| {
        let draft = Draft::read(text);
        let raw = draft.sign();
        let verdict = verify(raw.as_bytes(), &keys);
        if verdict.is_err() && !may_be_refused(&draft) {
            assert_eq!(second(raw.as_bytes()), None, "{verdict:?}");
        }
        agree(raw.as_bytes(), verdict);
    });
}

/// Refusing these is a choice: very many values, and moments beyond any calendar. Accepting them is none.
fn may_be_refused(draft: &Draft<'_>) -> bool {
    let values = [draft.header, draft.payload].concat();
    let values = values.iter().filter(|byte| b",[{".contains(byte)).count();
    let nbf = Json::read(draft.payload).and_then(|claims| claims.member("nbf")?.seconds());
    values > FEW || nbf.is_some_and(|nbf| !(-FAR..FAR).contains(&nbf))
}
