-- The state schema, version 3: rows of the journal stand in the order they came, so that a group of commits fills few pages whole; keyed by
-- run, a row of over a kilobyte took an overflow page of its own.

CREATE TABLE journal_by_time (
  n INTEGER PRIMARY KEY, execution TEXT NOT NULL, base INTEGER NOT NULL, count INTEGER NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL,
  facts BLOB NOT NULL);
INSERT INTO journal_by_time (execution, base, count, at, digest, facts)
  SELECT execution, base, count, at, digest, facts FROM journal ORDER BY execution, base;
DROP TABLE journal;
ALTER TABLE journal_by_time RENAME TO journal;
CREATE UNIQUE INDEX journal_of ON journal (execution, base);

-- Nothing asks the outbox by lane: the core reads it by run.
DROP INDEX outbox_lane;
