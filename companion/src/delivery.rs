//! How a session's tokens are handed out: fixed at login, kept in the session.

/// In the answer's body, or in cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// In the body.
    #[default]
    Body,
    /// In cookies alone (CK-02).
    Cookie,
}

impl Delivery {
    /// The word for it, in requests and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Cookie => "cookie",
        }
    }

    /// The delivery of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Body, Self::Cookie]
            .into_iter()
            .find(|delivery| delivery.name() == name)
    }
}
