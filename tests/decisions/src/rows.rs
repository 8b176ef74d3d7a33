//! All rows, by subject.

mod cookies;
mod credentials;
mod cross_origin;
mod demands;
mod feed;
mod forwarding;
mod grpc;
mod login;
mod methods;
mod order;
mod paths;
mod reserved;
mod rules;
mod tokens;
mod upgrades;

use serde_json::{Value, json};
use token::{SessionId, UnixTime};

use crate::forge;
use crate::issuer::{Issuer, Session, issuer, session};
use crate::row::Row;

/// Every row, with tokens issued at `now`; they hold for 10 s.
pub fn rows(now: UnixTime) -> Vec<Row> {
    let tokens = Tokens {
        now,
        issuer: issuer(),
        alice: session("alice"),
        bob: session("bob"),
    };
    let mut rows = Vec::new();
    for subject in [
        cookies::rows,
        credentials::rows,
        cross_origin::rows,
        demands::rows,
        feed::rows,
        forwarding::rows,
        grpc::rows,
        login::rows,
        methods::rows,
        order::rows,
        paths::rows,
        reserved::rows,
        rules::rows,
        tokens::rows,
        upgrades::rows,
    ] {
        rows.extend(subject(&tokens));
    }
    rows
}

/// The sessions that the feed has revoked before any row is run, where a page has come.
pub fn sessions_that_ended() -> [SessionId; 1] {
    [session("bob").id]
}

/// Tokens for the rows.
struct Tokens {
    now: UnixTime,
    issuer: Issuer,
    /// Is logged in.
    alice: Session,
    /// Has logged out.
    bob: Session,
}

impl Tokens {
    /// A good token of alice's.
    fn good(&self) -> String {
        self.issuer.access_token_at(&self.alice, self.now)
    }

    /// A token of bob's, good but for the end of his session.
    fn revoked(&self) -> String {
        self.issuer.access_token_at(&self.bob, self.now)
    }

    /// A token that has expired, with more than the skew.
    fn expired(&self) -> String {
        let at = self.now.minus(std::time::Duration::from_secs(900));
        self.issuer.access_token_at(&self.alice, at)
    }

    /// Alice's, well signed, with these claims changed; `null` leaves one out.
    fn with(&self, claims: &[(&str, Value)]) -> String {
        let header = forge::header(&self.issuer).to_string();
        forge::es256(&header, &self.payload(claims).to_string())
    }

    fn payload(&self, claims: &[(&str, Value)]) -> Value {
        self.payload_of(&self.alice, claims)
    }

    /// Bob's, as [`Tokens::with`].
    fn revoked_with(&self, claims: &[(&str, Value)]) -> String {
        let header = forge::header(&self.issuer).to_string();
        forge::es256(&header, &self.payload_of(&self.bob, claims).to_string())
    }

    fn payload_of(&self, session: &Session, claims: &[(&str, Value)]) -> Value {
        let mut payload = forge::payload(&self.issuer, session, self.now);
        for (name, value) in claims {
            let members = payload.as_object_mut().expect("an object");
            match value {
                Value::Null => members.remove(*name),
                value => members.insert((*name).to_owned(), value.clone()),
            };
        }
        payload
    }

    /// So many seconds from now, as a claim.
    fn at(&self, seconds: i64) -> Value {
        json!(self.now.seconds() + seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_a_requirement() {
        let rows = rows(crate::issuer::START);
        let names: BTreeSet<_> = rows.iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), rows.len());
        assert!(rows.iter().all(|row| row.requirements.contains('-')));
        assert!(rows.len() > 500, "{}", rows.len());
    }
}
