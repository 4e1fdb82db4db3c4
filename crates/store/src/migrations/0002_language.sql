-- The state schema, version 2: who caused a change of the feed, slots with their own limit, destructive attempts for caps, blobs.

ALTER TABLE feed ADD COLUMN execution TEXT;
ALTER TABLE feed ADD COLUMN user TEXT;

ALTER TABLE slot ADD COLUMN root TEXT NOT NULL DEFAULT '';
ALTER TABLE slot ADD COLUMN max INTEGER NOT NULL DEFAULT 1;

CREATE TABLE attempt (
  n INTEGER PRIMARY KEY, space TEXT NOT NULL, at INTEGER NOT NULL, operation TEXT NOT NULL, target TEXT NOT NULL, workflow TEXT NOT NULL,
  execution TEXT NOT NULL, step TEXT NOT NULL);
CREATE INDEX attempt_at ON attempt (at);

CREATE INDEX execution_alert_of ON execution_alert (execution);

CREATE INDEX payload_blob ON payload (body) WHERE substr(body, 1, 5) = 'blob:';

-- Before this version a run that waits could have a timer in memory alone: the next start looks at all of them once.
INSERT INTO meta VALUES ('continue all', 'yes');
