-- Moments are milliseconds since 1970; `exp`, `latest_exp` and `auth_time` are seconds, as in tokens. Ids are their 16 bytes.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE accounts (
    id BLOB PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    -- Moves with every change of the password, and when all or all other sessions end: a login that began before opens no session after.
    login_epoch INTEGER NOT NULL DEFAULT 1,
    is_active INTEGER NOT NULL DEFAULT 1,
    roles TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts (id),
    generation INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    mac_key_version INTEGER NOT NULL,
    -- No access token of this session has a later `exp`: it is moved by the statement that allows the token.
    latest_exp INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    idle_deadline INTEGER NOT NULL,
    absolute_deadline INTEGER NOT NULL,
    ended_at INTEGER,
    -- The number of the receipt under which the session was ended.
    receipt INTEGER,
    ip TEXT,
    user_agent TEXT,
    label TEXT
) STRICT;
CREATE INDEX sessions_alive ON sessions (account, last_seen_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expired ON sessions (idle_deadline);

-- One row for each ended session and each change of the key set, numbered in commit order.
CREATE TABLE feed (
    number INTEGER PRIMARY KEY,
    mark BLOB NOT NULL,
    session BLOB,
    exp INTEGER,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX feed_of_session ON feed (session) WHERE session IS NOT NULL;
CREATE INDEX feed_at ON feed (at);

CREATE TABLE feed_head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL,
    mark BLOB NOT NULL,
    -- The number of the last change of the key set.
    keys INTEGER NOT NULL
) STRICT;

-- A revocation of one session or of many, under the highest of its numbers.
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY,
    -- Of the same number: after a restored backup the number alone names two revocations.
    mark BLOB NOT NULL,
    sessions INTEGER NOT NULL,
    latest_exp INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_at ON receipts (at);

CREATE TABLE gateways (
    id BLOB PRIMARY KEY,
    -- NULL: it never gets stale.
    staleness INTEGER,
    live_until INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('access', 'feed')),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA')),
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A code to be entered. A challenge whose `code_mac` is NULL is one that no code opens.
CREATE TABLE challenges (
    id BLOB PRIMARY KEY,
    purpose TEXT NOT NULL,
    email TEXT NOT NULL,
    -- Of the sign-up that the code activates.
    password_hash TEXT,
    code_mac BLOB,
    attempts INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL,
    -- When its newest code was mailed.
    mailed_at INTEGER,
    used_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX challenges_of_email ON challenges (email, purpose);
CREATE INDEX challenges_created ON challenges (created_at);

-- Attempts at codes, taken back when the code was right.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    purpose TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_of_email ON attempts (email, purpose, at);
CREATE INDEX attempts_at ON attempts (at);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    errand TEXT NOT NULL,
    -- NULL for an errand that names a challenge or an account alone.
    email TEXT,
    account BLOB,
    challenge BLOB,
    password_hash TEXT,
    expires_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at);
CREATE INDEX outbox_created ON outbox (created_at);

CREATE TABLE mails_sent (
    email TEXT NOT NULL,
    mail TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (email, mail)
) STRICT;
CREATE INDEX mails_sent_at ON mails_sent (at);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    -- Why, where an event has several causes.
    cause TEXT,
    account BLOB,
    session BLOB,
    ip TEXT,
    user_agent TEXT
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
