//! What a second factor or a mailed code opens: the rest of a login, a higher level of a session.

use async_trait::async_trait;
use token::{ChallengeId, SessionId, Subject};

use super::{Client, Factor, Lifetimes, Login, Minted, Outcome, RightCode};
use crate::clock::Millis;
use crate::delivery::Delivery;

/// Challenges that the second factor opens, and the sessions that are lifted. See the head of [`crate::store`] for what must hold.
///
/// Nothing is used up unless all of it happens: a code that opens nothing is still good.
#[async_trait]
pub trait StepUps: Send + Sync {
    /// Notes what waits for the second factor, and says until when. `None`: the account has no app, or is not any more what it was
    /// when its password was read, or the session has ended.
    async fn open_factor_challenge(&self, challenge: FactorChallenge) -> Outcome<Option<Millis>>;

    /// What the challenge would open; `None` when it is of another kind, used, or over.
    async fn factor_challenge(&self, challenge: ChallengeId) -> Outcome<Option<FactorChallenge>>;

    /// Opens the session of a login whose second factor was shown: once, and under the conditions of [`super::Sessions::open_session`].
    async fn pass_login(
        &self,
        challenge: ChallengeId,
        factor: Factor,
        login: Login,
    ) -> Outcome<Option<Minted>>;

    /// Lifts a session that lives to the level of what was shown (OT-13).
    async fn step_up(&self, step_up: StepUp) -> Outcome<Option<Minted>>;

    /// Sets the level of a session that lives anew, as its owner has logged in once more.
    async fn reauthenticate(&self, again: Reauthentication) -> Outcome<Option<Minted>>;
}

/// A challenge that only the second factor opens.
#[derive(Clone, Debug)]
pub struct FactorChallenge {
    /// Which one.
    pub id: ChallengeId,
    /// Whose factor.
    pub account: Subject,
    /// The account's address.
    pub email: String,
    /// For what.
    pub opens: Opens,
}

/// What the second factor opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opens {
    /// The rest of a login whose password was right.
    Login {
        /// That of the account when its password was read.
        login_epoch: u64,
        /// How the tokens are to be handed out.
        delivery: Delivery,
        /// What the owner calls the session to be.
        label: Option<String>,
    },
    /// A higher level of this session, and of no other.
    StepUp(SessionId),
}

/// A session is to be lifted.
pub struct StepUp {
    /// Whose.
    pub account: Subject,
    /// Which one.
    pub session: SessionId,
    /// What was shown.
    pub proof: Proof,
    /// How long the access token lives.
    pub lifetimes: Lifetimes,
    /// From where.
    pub by: Client,
}

/// What lifts a session.
pub enum Proof {
    /// The second factor, to this challenge: to `mfa`.
    Factor(ChallengeId, Factor),
    /// A right mailed code, of an account without an app: to `otp`, and no further (OT-15).
    Mailed(RightCode),
}

/// An owner who has shown all that a login asks for.
pub struct Reauthentication {
    /// Whose session.
    pub account: Subject,
    /// Which one.
    pub session: SessionId,
    /// That of the account when its password was read.
    pub login_epoch: u64,
    /// Where the account has an app.
    pub factor: Option<Factor>,
    /// How long the access token lives.
    pub lifetimes: Lifetimes,
    /// From where.
    pub by: Client,
}
