-- A deleted account keeps its row until its sessions are pruned; it is not active, and its address is free again.
ALTER TABLE accounts ADD COLUMN deleted_at INTEGER;

-- How the tokens of a session are handed out: fixed at login.
ALTER TABLE sessions ADD COLUMN delivery TEXT NOT NULL DEFAULT 'body';
-- The last step-up: its own `acr` and `auth_time`, which fall back to those of the login after ten minutes.
ALTER TABLE sessions ADD COLUMN step_acr TEXT;
ALTER TABLE sessions ADD COLUMN step_auth_time INTEGER;

-- Whose code it is, where the challenge belongs to an account; and to which of its sessions, for a step-up or a change of address.
ALTER TABLE challenges ADD COLUMN account BLOB;
ALTER TABLE challenges ADD COLUMN session BLOB;
-- Of the long code that a recovery mail carries beside the short one.
ALTER TABLE challenges ADD COLUMN long_code_mac BLOB;
-- The address that an account is to have.
ALTER TABLE challenges ADD COLUMN new_email TEXT;
-- Of the account when the challenge was made: later changes of its credentials leave the challenge without effect.
ALTER TABLE challenges ADD COLUMN login_epoch INTEGER;
-- Of the login that waits for its second factor.
ALTER TABLE challenges ADD COLUMN delivery TEXT;
ALTER TABLE challenges ADD COLUMN label TEXT;
CREATE INDEX challenges_of_account ON challenges (account, purpose) WHERE account IS NOT NULL;

-- Whose account it was at; `email` is where the code was mailed.
ALTER TABLE attempts ADD COLUMN account BLOB;
CREATE INDEX attempts_of_account ON attempts (account, purpose, at) WHERE account IS NOT NULL;

ALTER TABLE outbox ADD COLUMN session BLOB;
ALTER TABLE outbox ADD COLUMN new_email TEXT;
-- When it was given up, and why; the row stays to be seen.
ALTER TABLE outbox ADD COLUMN dead_at INTEGER;
ALTER TABLE outbox ADD COLUMN last_error TEXT;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (due_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;

-- Who did it, where it was not the owner: the name of an admin token. And the request that it came with.
ALTER TABLE audit ADD COLUMN actor TEXT;
ALTER TABLE audit ADD COLUMN request_id TEXT;
CREATE INDEX audit_of_account ON audit (account, id) WHERE account IS NOT NULL;

-- A key is published before it signs.
ALTER TABLE signing_keys ADD COLUMN signs_from INTEGER NOT NULL DEFAULT 0;

-- An authenticator app: one that counts, and one whose enrolment is not confirmed yet.
CREATE TABLE totp (
    account BLOB NOT NULL REFERENCES accounts (id),
    is_confirmed INTEGER NOT NULL,
    -- The secret, sealed with the account as associated data.
    sealed BLOB NOT NULL,
    -- The last time step that was accepted: each is accepted once.
    last_step INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, is_confirmed)
) STRICT;

-- The MACs of an account's recovery codes.
CREATE TABLE recovery_codes (
    account BLOB NOT NULL REFERENCES accounts (id),
    mac BLOB NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (account, mac)
) STRICT;
