-- A deleted account keeps its row until its sessions are pruned; it is not active, and its address is free again.
ALTER TABLE accounts ADD COLUMN deleted_at bigint;

-- How the tokens of a session are handed out: fixed at login.
ALTER TABLE sessions ADD COLUMN delivery text NOT NULL DEFAULT 'body';
-- The last step-up: its own `acr` and `auth_time`, which fall back to those of the login after ten minutes.
ALTER TABLE sessions ADD COLUMN step_acr text;
ALTER TABLE sessions ADD COLUMN step_auth_time bigint;

-- Whose code it is, where the challenge belongs to an account; and to which of its sessions, for a step-up or a change of address.
ALTER TABLE challenges ADD COLUMN account bytea;
ALTER TABLE challenges ADD COLUMN session bytea;
-- Of the long code that a recovery mail carries beside the short one.
ALTER TABLE challenges ADD COLUMN long_code_mac bytea;
-- The address that an account is to have.
ALTER TABLE challenges ADD COLUMN new_email text;
-- Of the account when the challenge was made: later changes of its credentials leave the challenge without effect.
ALTER TABLE challenges ADD COLUMN login_epoch bigint;
-- Of the login that waits for its second factor.
ALTER TABLE challenges ADD COLUMN delivery text;
ALTER TABLE challenges ADD COLUMN label text;
CREATE INDEX challenges_of_account ON challenges (account, purpose) WHERE account IS NOT NULL;

-- Whose account it was at; `email` is where the code was mailed.
ALTER TABLE attempts ADD COLUMN account bytea;
CREATE INDEX attempts_of_account ON attempts (account, purpose, at) WHERE account IS NOT NULL;

ALTER TABLE outbox ADD COLUMN session bytea;
ALTER TABLE outbox ADD COLUMN new_email text;
-- When it was given up, and why; the row stays to be seen.
ALTER TABLE outbox ADD COLUMN dead_at bigint;
ALTER TABLE outbox ADD COLUMN last_error text;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (due_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;

-- Who did it, where it was not the owner: the name of an admin token. And the request that it came with.
ALTER TABLE audit ADD COLUMN actor text;
ALTER TABLE audit ADD COLUMN request_id text;
CREATE INDEX audit_of_account ON audit (account, id) WHERE account IS NOT NULL;

-- An operator has told to count it no more; it is as new when it polls again.
ALTER TABLE gateways ADD COLUMN is_forgotten boolean NOT NULL DEFAULT false;

-- A key is published before it signs.
ALTER TABLE signing_keys ADD COLUMN signs_from bigint NOT NULL DEFAULT 0;

-- Failures since the last success: unlike `count`, quiet minutes leave them (RL-01).
ALTER TABLE failures ADD COLUMN in_a_row bigint NOT NULL DEFAULT 0;

-- An authenticator app: one that counts, and one whose enrolment is not confirmed yet.
CREATE TABLE totp (
    account bytea NOT NULL REFERENCES accounts (id),
    is_confirmed boolean NOT NULL,
    -- The secret, sealed with the account as associated data.
    sealed bytea NOT NULL,
    -- The last time step that was accepted: each is accepted once.
    last_step bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    PRIMARY KEY (account, is_confirmed)
);

-- The MACs of an account's recovery codes.
CREATE TABLE recovery_codes (
    account bytea NOT NULL REFERENCES accounts (id),
    mac bytea NOT NULL,
    used_at bigint,
    PRIMARY KEY (account, mac)
);

-- From where a request came, and who made it.
CREATE TYPE client AS (ip text, user_agent text, actor text, request_id text);

-- The functions that end sessions, with all that the audit log is to know.
DROP FUNCTION end_sessions(bigint, bytea[], bytea, text, text, text, bigint, bigint, text, text, bigint);
DROP FUNCTION end_account_sessions(bigint, bytea, bytea, text, text, text, bigint, bigint);
DROP FUNCTION end_some_sessions(bigint, bigint, text, bigint, bigint);
DROP FUNCTION publish_unknown(bigint, bytea, bigint);

-- Ends those of these sessions that live, of that account alone where one is named. Gives their receipt; no row when none lived.
-- A session opened before `lost_before` is covered until `lost_last_exp`: the database may have been put back since, and may have lost
-- what allowed a later token. `event` and `notice`, where there are any, are written only with the end.
CREATE FUNCTION end_sessions(
    now_or_null bigint, wanted bytea[], of_account bytea, why text, by_client client,
    lost_before bigint, lost_last_exp bigint, event_too text, notice_too text, notice_lives bigint
) RETURNS TABLE (number bigint, mark bytea, sessions bigint, latest_exp bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_at bigint := coalesce(now_or_null, latchkey_now());
    ended bytea[];
    owners bytea[];
    exps bigint[];
    head record;
BEGIN
    -- In one order: two that end the same sessions at once wait for each other, and do not meet in a deadlock.
    PERFORM 1 FROM sessions s WHERE s.id = ANY (wanted) AND s.ended_at IS NULL ORDER BY s.id FOR UPDATE;
    -- `latest_exp` comes from the ending statement itself: a refresh that commits later finds the session ended.
    WITH gone AS (
        UPDATE sessions s SET ended_at = now_at
        WHERE s.id = ANY (wanted) AND s.ended_at IS NULL AND (of_account IS NULL OR s.account = of_account)
        RETURNING s.id, s.account,
            CASE WHEN s.created_at < lost_before THEN greatest(s.latest_exp, lost_last_exp) ELSE s.latest_exp END AS exp
    )
    SELECT array_agg(gone.id ORDER BY gone.id), array_agg(gone.account ORDER BY gone.id), array_agg(gone.exp ORDER BY gone.id)
        INTO ended, owners, exps FROM gone;
    IF ended IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO audit (at, event, cause, account, session, ip, user_agent, actor, request_id)
        SELECT now_at, event_too, NULL, owners[place], ended[place], by_client.ip, by_client.user_agent, by_client.actor, by_client.request_id
        FROM generate_subscripts(ended, 1) AS place WHERE event_too IS NOT NULL;
    INSERT INTO audit (at, event, cause, account, session, ip, user_agent, actor, request_id)
        SELECT now_at, 'session_ended', why, owners[place], ended[place], by_client.ip, by_client.user_agent, by_client.actor, by_client.request_id
        FROM generate_subscripts(ended, 1) AS place;
    INSERT INTO outbox (errand, account, expires_at, due_at, created_at)
        SELECT notice_too, owners[place], now_at + notice_lives, now_at, now_at
        FROM generate_subscripts(ended, 1) AS place WHERE notice_too IS NOT NULL;
    SELECT * INTO head FROM append_feed(now_at, ended, exps);
    UPDATE sessions s SET receipt = head.number WHERE s.id = ANY (ended);
    SELECT max(exp) INTO latest_exp FROM unnest(exps) AS exp;
    INSERT INTO receipts (number, mark, sessions, latest_exp, at)
        VALUES (head.number, head.mark, cardinality(ended), end_sessions.latest_exp, now_at);
    number := head.number;
    mark := head.mark;
    sessions := cardinality(ended);
    RETURN NEXT;
END $$;

-- The account's sessions, all or all but one, and the logins under way with them.
CREATE FUNCTION end_account_sessions(
    now_or_null bigint, of_account bytea, but_not bytea, why text, by_client client,
    lost_before bigint, lost_last_exp bigint
) RETURNS TABLE (number bigint, mark bytea, sessions bigint, latest_exp bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted bytea[];
BEGIN
    -- Waits for logins that hold the account; those that come later find another epoch.
    UPDATE accounts a SET login_epoch = a.login_epoch + 1 WHERE a.id = of_account;
    SELECT array_agg(s.id) INTO wanted FROM sessions s
        WHERE s.account = of_account AND s.ended_at IS NULL AND s.id IS DISTINCT FROM but_not;
    RETURN QUERY SELECT * FROM end_sessions(now_or_null, wanted, NULL, why, by_client, lost_before, lost_last_exp, NULL, NULL, NULL);
END $$;

-- Up to so many sessions, the oldest first, and the logins under way of their accounts.
CREATE FUNCTION end_some_sessions(now_or_null bigint, most bigint, why text, by_client client, lost_before bigint, lost_last_exp bigint)
RETURNS TABLE (number bigint, mark bytea, sessions bigint, latest_exp bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted bytea[];
    owners bytea[];
BEGIN
    SELECT array_agg(oldest.id), array_agg(oldest.account) INTO wanted, owners
        FROM (SELECT s.id, s.account FROM sessions s WHERE s.ended_at IS NULL ORDER BY s.created_at, s.id LIMIT most) AS oldest;
    PERFORM 1 FROM accounts a WHERE a.id = ANY (owners) ORDER BY a.id FOR NO KEY UPDATE;
    UPDATE accounts a SET login_epoch = a.login_epoch + 1 WHERE a.id = ANY (owners);
    RETURN QUERY SELECT * FROM end_sessions(now_or_null, wanted, NULL, why, by_client, lost_before, lost_last_exp, NULL, NULL, NULL);
END $$;

-- A session that is in no table, but whose tokens are out there.
CREATE FUNCTION publish_unknown(now_or_null bigint, session bytea, exp bigint, why text, by_client client, OUT number bigint, OUT mark bytea)
LANGUAGE plpgsql AS $$
DECLARE
    now_at bigint := coalesce(now_or_null, latchkey_now());
BEGIN
    INSERT INTO audit (at, event, cause, session, ip, user_agent, actor, request_id)
        VALUES (now_at, 'session_ended', why, publish_unknown.session, by_client.ip, by_client.user_agent, by_client.actor, by_client.request_id);
    SELECT * INTO number, mark FROM append_feed(now_at, ARRAY[publish_unknown.session], ARRAY[exp]);
    INSERT INTO receipts (number, mark, sessions, latest_exp, at) VALUES (publish_unknown.number, publish_unknown.mark, 1, exp, now_at);
END $$;

-- New marks for the next rows of the feed behind a number: cursors of theirs are unknown from now on. Gives the last number that has a new
-- one; NULL when the head has been passed. Numbers that are given out meanwhile have new marks of themselves.
CREATE FUNCTION renew_marks(now_or_null bigint, behind bigint, most bigint, by_client client, OUT last bigint) LANGUAGE plpgsql AS $$
DECLARE
    head bigint;
BEGIN
    SELECT max(next.number) INTO last
        FROM (SELECT feed.number FROM feed WHERE feed.number > behind ORDER BY feed.number LIMIT most) AS next;
    SELECT feed_head.number INTO head FROM feed_head FOR UPDATE;
    IF last IS NULL THEN
        INSERT INTO audit (at, event, ip, user_agent, actor, request_id)
            SELECT coalesce(now_or_null, latchkey_now()), 'feed_reset', by_client.ip, by_client.user_agent, by_client.actor,
                by_client.request_id;
        PERFORM pg_notify('latchkey_feed', 'reset');
        RETURN;
    END IF;
    UPDATE feed SET mark = latchkey_mark() WHERE feed.number > behind AND feed.number <= last;
    UPDATE feed_head SET mark = feed.mark FROM feed WHERE feed.number = feed_head.number AND feed_head.number <= last;
END $$;

-- A change of the key set, in one statement: a companion that stops in the middle of it holds nobody up. `of_version` is the set that it
-- changes, NULL whichever there is; `gone` are the keys that leave it, NULL all. Gives NULL when the set is another one by now.
CREATE FUNCTION change_keys(
    now_or_null bigint, of_version bigint, gone text[], kids text[], purposes text[], algorithms text[], secrets bytea[],
    ahead bigint, events text[], by_client client, OUT number bigint
) LANGUAGE plpgsql AS $$
DECLARE
    now_at bigint := coalesce(now_or_null, latchkey_now());
    held bigint;
    head record;
BEGIN
    -- Of two that change the same set the second waits here, and finds another version.
    SELECT keys INTO held FROM feed_head FOR UPDATE;
    IF held <> of_version THEN
        RETURN;
    END IF;
    DELETE FROM signing_keys WHERE gone IS NULL OR kid = ANY (gone);
    INSERT INTO signing_keys (kid, purpose, algorithm, sealed, created_at, signs_from)
        SELECT kids[place], purposes[place], algorithms[place], secrets[place], now_at, now_at + ahead
        FROM generate_subscripts(kids, 1) AS place;
    INSERT INTO audit (at, event, ip, user_agent, actor, request_id)
        SELECT now_at, event, by_client.ip, by_client.user_agent, by_client.actor, by_client.request_id FROM unnest(events) AS event;
    SELECT * INTO head FROM append_feed(now_at, '{}', '{}');
    number := head.number;
END $$;

-- Takes a key out, with a receipt. When it was the one that signs, the newest left of its use signs from now on, and the spare where none
-- is left. No row when there is no such key.
CREATE FUNCTION remove_key(
    now_or_null bigint, gone text, spare text, spare_algorithm text, spare_secret bytea, last_exp bigint,
    by_client client
) RETURNS TABLE (number bigint, mark bytea, sessions bigint, latest_exp bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_at bigint := coalesce(now_or_null, latchkey_now());
    removed signing_keys;
    newest text;
    head record;
BEGIN
    PERFORM 1 FROM feed_head FOR UPDATE;
    DELETE FROM signing_keys k WHERE k.kid = gone RETURNING * INTO removed;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT k.kid INTO newest FROM signing_keys k WHERE k.purpose = removed.purpose
        ORDER BY k.created_at DESC, k.kid COLLATE "C" DESC LIMIT 1;
    IF newest IS NULL THEN
        INSERT INTO signing_keys (kid, purpose, algorithm, sealed, created_at, signs_from)
            VALUES (spare, removed.purpose, spare_algorithm, spare_secret, now_at, now_at);
    ELSIF removed.signs_from <= now_at AND NOT EXISTS (
        SELECT 1 FROM signing_keys k WHERE k.purpose = removed.purpose AND k.signs_from <= now_at AND (k.created_at > removed.created_at
            OR (k.created_at = removed.created_at AND k.kid COLLATE "C" > removed.kid COLLATE "C"))
    ) THEN
        UPDATE signing_keys k SET signs_from = least(k.signs_from, now_at) WHERE k.kid = newest;
    END IF;
    INSERT INTO audit (at, event, ip, user_agent, actor, request_id)
        SELECT now_at, 'signing_key_removed', by_client.ip, by_client.user_agent, by_client.actor, by_client.request_id;
    SELECT * INTO head FROM append_feed(now_at, '{}', '{}');
    number := head.number;
    mark := head.mark;
    sessions := 0;
    latest_exp := now_at / 1000 + last_exp;
    INSERT INTO receipts (number, mark, sessions, latest_exp, at) VALUES (head.number, head.mark, 0, now_at / 1000 + last_exp, now_at);
    RETURN NEXT;
END $$;
