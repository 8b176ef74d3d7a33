-- Names are keyed digests: the file tells nothing about addresses or accounts. Moments are milliseconds since 1970.

CREATE TABLE buckets (
    name BLOB PRIMARY KEY,
    full_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
    name BLOB PRIMARY KEY,
    count INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The same table as in the other file, and the same rows.
CREATE TABLE gateways (
    id BLOB PRIMARY KEY,
    staleness INTEGER,
    live_until INTEGER NOT NULL
) STRICT;
