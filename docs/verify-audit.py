#!/usr/bin/env python3
"""Verifies the audit chain of a Watchfire database without Watchfire: verify-audit.py DATA/state.db

The same checks as `watchfire audit verify`, but for the signatures of checkpoints, which need an Ed25519 library.
"""
import hashlib, json, sqlite3, sys

def sha(*parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p)
    return h.digest()

def broken(where, why):
    sys.exit(f"broken at {where}: {why}")

def root(headers):
    level = [sha(b"\0", h.encode()) for h in headers]
    while len(level) > 1:
        pairs = [level[i:i + 2] for i in range(0, len(level), 2)]
        level = [sha(b"\1", *p) if len(p) == 2 else p[0] for p in pairs]
    return level[0]

db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
head, seq, links = bytes(32), 0, 0
for n, first, count, stored, digest in db.execute("SELECT n, first, count, root, hash FROM audit_link WHERE stream = 0 ORDER BY n"):
    links += 1
    if n != links or first != seq + 1:
        broken(f"link {links}", "missing or out of order")
    headers = []
    for row in db.execute("SELECT seq, space, at, user, channel, execution, step, action, noun, id, digest, run_base, run_digest, salt, body "
                          "FROM audit WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, first + count - 1)):
        *plain, body_digest, run_base, run_digest, salt, body = row
        if plain[0] != seq + 1:
            broken(f"link {n}", f"entry {seq + 1} is missing")
        seq += 1
        if body is not None and sha(salt, body.encode()) != body_digest:
            broken(f"entry {seq}", "another body")
        run_hex = run_digest.hex() if run_digest is not None else None
        headers.append(json.dumps(["wf1", *plain, body_digest.hex(), run_base, run_hex], ensure_ascii=False, separators=(",", ":")))
    if len(headers) != count or root(headers) != stored:
        broken(f"link {n}", "an entry is not the one that was written")
    head = sha(head, stored)
    if head != digest:
        broken(f"link {n}", "does not follow from the link before")
if db.execute("SELECT audit, link, head FROM stream WHERE id = 0").fetchone() != (seq, links, head):
    broken("the head", "entries are missing at the end")
for run, facts, digest in db.execute("SELECT id, facts, digest FROM execution"):
    chain, end = sha(b"wf1 journal ", run.encode()), 0
    for base, count, stored, text in db.execute("SELECT base, count, digest, facts FROM journal WHERE execution = ? ORDER BY base", (run,)):
        parts = [chain, base.to_bytes(8, "little"), count.to_bytes(8, "little"), len(text).to_bytes(8, "little"), text]
        for k, body in db.execute("SELECT n, body FROM payload WHERE execution = ? AND base = ? ORDER BY n", (run, base)):
            parts += [k.to_bytes(8, "little"), sha(body.encode())]
        chain = sha(*parts)
        if base != end or chain != stored:
            broken(f"journal of {run} at {end}", "missing, or other facts than were written")
        end += count
    if (end, chain) != (facts, digest):
        broken(f"journal of {run}", "rows are missing at the end")
print(f"{links} links, {seq} entries: the chain holds")
