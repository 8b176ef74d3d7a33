-- What a refresh changes is in no index that only pruning needs.
DROP INDEX sessions_expired;
CREATE INDEX sessions_expired ON sessions (absolute_deadline);
-- For ending all sessions, the oldest first.
CREATE INDEX sessions_opened ON sessions (created_at) WHERE ended_at IS NULL;
