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
