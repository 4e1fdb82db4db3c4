-- The state schema, version 1. Times are microseconds since the epoch, bodies are JSON text, ids are text ordered by time.
-- Every table of a space has its column; partition, epoch, stream and lineage stand from the start.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE stream (
  id INTEGER PRIMARY KEY, commits INTEGER NOT NULL, feed INTEGER NOT NULL, audit INTEGER NOT NULL, link INTEGER NOT NULL,
  head BLOB NOT NULL);
INSERT INTO stream VALUES (0, 0, 0, 0, 0, zeroblob(32));

CREATE TABLE partition (id INTEGER PRIMARY KEY, owner TEXT, epoch INTEGER NOT NULL);

CREATE TABLE execution (
  id TEXT PRIMARY KEY, space TEXT NOT NULL, stream INTEGER NOT NULL DEFAULT 0, partition INTEGER NOT NULL, root TEXT NOT NULL,
  workflow TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL,
  dry INTEGER NOT NULL, test INTEGER NOT NULL, principal TEXT NOT NULL, triggered TEXT NOT NULL, rule TEXT, parent TEXT,
  depth INTEGER NOT NULL, visited TEXT NOT NULL, arrived INTEGER NOT NULL, started INTEGER, finished INTEGER,
  class TEXT NOT NULL, current TEXT NOT NULL, error TEXT, facts INTEGER NOT NULL, last INTEGER NOT NULL, digest BLOB NOT NULL,
  mail INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX execution_workflow ON execution (space, workflow, id);
CREATE INDEX execution_active ON execution (status, id) WHERE finished IS NULL;
CREATE INDEX execution_rule ON execution (rule, id) WHERE rule IS NOT NULL;

CREATE TABLE execution_alert (alert TEXT NOT NULL, execution TEXT NOT NULL, space TEXT NOT NULL,
  PRIMARY KEY (alert, execution)) WITHOUT ROWID;

CREATE TABLE journal (
  execution TEXT NOT NULL, base INTEGER NOT NULL, count INTEGER NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL,
  facts BLOB NOT NULL, PRIMARY KEY (execution, base)) WITHOUT ROWID;

CREATE TABLE payload (
  execution TEXT NOT NULL, n INTEGER NOT NULL, base INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (execution, n)) WITHOUT ROWID;
CREATE INDEX payload_base ON payload (execution, base);

CREATE TABLE mailbox (
  execution TEXT NOT NULL, n INTEGER NOT NULL, space TEXT NOT NULL, at INTEGER NOT NULL, command TEXT NOT NULL,
  PRIMARY KEY (execution, n)) WITHOUT ROWID;

CREATE TABLE outbox (
  execution TEXT NOT NULL, path TEXT NOT NULL, call INTEGER NOT NULL, space TEXT NOT NULL, lane TEXT NOT NULL,
  class TEXT NOT NULL, due INTEGER NOT NULL, deadline INTEGER, attempt INTEGER NOT NULL, base INTEGER NOT NULL,
  PRIMARY KEY (execution, path, call)) WITHOUT ROWID;
CREATE INDEX outbox_lane ON outbox (lane, due);

CREATE TABLE timer (
  execution TEXT NOT NULL, id TEXT NOT NULL, space TEXT NOT NULL, due INTEGER NOT NULL,
  PRIMARY KEY (execution, id)) WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due);

CREATE TABLE slot (
  space TEXT NOT NULL, key TEXT NOT NULL, execution TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (space, key, execution)) WITHOUT ROWID;

CREATE TABLE alert (
  n INTEGER PRIMARY KEY, space TEXT NOT NULL, id TEXT NOT NULL, "index" TEXT NOT NULL, version INTEGER NOT NULL,
  status TEXT NOT NULL, severity INTEGER NOT NULL, risk REAL NOT NULL, rule TEXT, rule_name TEXT, reason TEXT, host TEXT,
  user TEXT, source TEXT, time INTEGER NOT NULL, start INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
  status_at INTEGER, close_reason TEXT, workflow_user TEXT, assignees TEXT NOT NULL, tags TEXT NOT NULL, cases TEXT NOT NULL);
CREATE UNIQUE INDEX alert_id ON alert (id, space);
CREATE INDEX alert_queue ON alert (space, status, severity DESC, time);
CREATE INDEX alert_rule ON alert (rule, created);
CREATE TABLE alert_document (n INTEGER PRIMARY KEY, document TEXT NOT NULL);

CREATE TABLE cases (
  space TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL, owner TEXT NOT NULL,
  status INTEGER NOT NULL, severity INTEGER NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, category TEXT,
  reporter TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER, closed INTEGER, assigned INTEGER NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (space, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX case_number ON cases (space, number);
-- Everything that lists filter and sort by, so that no list reads bodies it does not show.
CREATE INDEX case_list ON cases (space, created, id, status, severity, owner, updated, closed, assigned, reporter, category, number);
CREATE TABLE case_tag (space TEXT NOT NULL, tag TEXT NOT NULL, "case" TEXT NOT NULL, PRIMARY KEY (space, tag, "case")) WITHOUT ROWID;
CREATE INDEX case_tag_of ON case_tag ("case");
CREATE TABLE case_assignee (space TEXT NOT NULL, uid TEXT NOT NULL, "case" TEXT NOT NULL, PRIMARY KEY (space, uid, "case")) WITHOUT ROWID;
CREATE INDEX case_assignee_of ON case_assignee ("case");

CREATE TABLE attachment (
  "case" TEXT NOT NULL, n INTEGER NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY ("case", n)) WITHOUT ROWID;
CREATE INDEX attachment_id ON attachment (id);
CREATE TABLE case_alert (
  alert TEXT NOT NULL, "case" TEXT NOT NULL, n INTEGER NOT NULL, space TEXT NOT NULL, "index" TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (alert, "case")) WITHOUT ROWID;
CREATE INDEX case_alert_of ON case_alert ("case", n);

CREATE TABLE user_action (
  "case" TEXT NOT NULL, n INTEGER NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
  execution TEXT, body TEXT NOT NULL, PRIMARY KEY ("case", n)) WITHOUT ROWID;
CREATE INDEX user_action_execution ON user_action (execution) WHERE execution IS NOT NULL;

CREATE TABLE question (
  id TEXT PRIMARY KEY, space TEXT NOT NULL, execution TEXT NOT NULL, workflow TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
  version INTEGER NOT NULL, asked INTEGER NOT NULL, expires INTEGER, closed INTEGER, about TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX question_state ON question (space, state, asked);
CREATE INDEX question_execution ON question (execution);

CREATE TABLE record (
  noun TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL, created_by TEXT NOT NULL,
  updated INTEGER NOT NULL, updated_by TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (noun, space, id)) WITHOUT ROWID;
CREATE TABLE record_version (
  noun TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (noun, space, id, version)) WITHOUT ROWID;

CREATE TABLE follower (id TEXT PRIMARY KEY, lineage TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE summary (
  rule TEXT NOT NULL, action TEXT NOT NULL, space TEXT NOT NULL, opened INTEGER NOT NULL, due INTEGER NOT NULL, count INTEGER NOT NULL,
  alerts TEXT NOT NULL, template TEXT NOT NULL, PRIMARY KEY (rule, action)) WITHOUT ROWID;
CREATE INDEX summary_due ON summary (due);

CREATE TABLE answer (
  space TEXT NOT NULL, key TEXT NOT NULL, execution TEXT, at INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE INDEX answer_at ON answer (at);

CREATE TABLE feed (
  n INTEGER PRIMARY KEY, stream INTEGER NOT NULL, "commit" INTEGER NOT NULL, i INTEGER NOT NULL, at INTEGER NOT NULL, topic TEXT NOT NULL,
  space TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, kind INTEGER NOT NULL, changed TEXT);

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL, link INTEGER NOT NULL, space TEXT NOT NULL, at INTEGER NOT NULL, user TEXT NOT NULL,
  channel TEXT NOT NULL, execution TEXT, step TEXT, action TEXT NOT NULL, noun TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL,
  run_base INTEGER, run_digest BLOB, salt BLOB, body TEXT);
CREATE INDEX audit_of ON audit (noun, id, seq);
CREATE TABLE audit_link (
  stream INTEGER NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, at INTEGER NOT NULL, root BLOB NOT NULL,
  hash BLOB NOT NULL, PRIMARY KEY (stream, n)) WITHOUT ROWID;
CREATE TABLE checkpoint (
  n INTEGER PRIMARY KEY, at INTEGER NOT NULL, heads TEXT NOT NULL, previous BLOB NOT NULL, key TEXT NOT NULL, signature BLOB NOT NULL);

CREATE TABLE halt (id TEXT PRIMARY KEY, space TEXT NOT NULL, scope TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT) WITHOUT ROWID;
CREATE TABLE never_touch (space TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, reason TEXT, PRIMARY KEY (space, kind, value)) WITHOUT ROWID;
