"""The official Python client against a running server: bulk, paged search, count, get, API keys.

Environment: WATCHFIRE_ES_URL, WATCHFIRE_USER, WATCHFIRE_PASSWORD. Exits 0 when every step holds.
"""

import os
import uuid

from elasticsearch import ApiError, ConflictError, Elasticsearch, NotFoundError, helpers

URL = os.environ.get("WATCHFIRE_ES_URL", "http://127.0.0.1:9200")
AUTH = (os.environ.get("WATCHFIRE_USER", "elastic"), os.environ["WATCHFIRE_PASSWORD"])
STREAM = f"logs-pyclient.{uuid.uuid4().hex[:8]}-default"
PLAIN = f"pyclient-{uuid.uuid4().hex[:8]}"


def check(name, ok, detail=""):
    print(f"{'ok  ' if ok else 'FAIL'} python {name} {detail if not ok else ''}")
    if not ok:
        raise SystemExit(1)


def bulk(es):
    def actions(first, n):
        for i in range(first, first + n):
            yield {
                "_op_type": "create",
                "_index": STREAM,
                "@timestamp": f"2026-01-02T03:{i // 60 % 60:02}:{i % 60:02}.000Z",
                "event": {"category": ["process"], "sequence": i},
                "host": {"name": f"host-{i % 7}"},
                "process": {"name": "cmd.exe" if i % 3 else "powershell.exe", "pid": i},
            }

    ok, errors = helpers.bulk(es, actions(0, 1200), chunk_size=250)
    check("bulk create", ok == 1200 and not errors, errors)
    es_gzip = Elasticsearch(URL, basic_auth=AUTH, http_compress=True)
    ok, errors = helpers.bulk(es_gzip, actions(1200, 34), chunk_size=50)
    check("bulk gzip", ok == 34 and not errors, errors)
    ok, errors = helpers.bulk(
        es,
        [
            {"_op_type": "index", "_index": PLAIN, "_id": "a", "title": "The quick brown Fox", "n": 1},
            {"_op_type": "create", "_index": PLAIN, "_id": "a", "n": 2},
            {"_op_type": "update", "_index": PLAIN, "_id": "a", "doc": {"n": 3}},
            {"_op_type": "update", "_index": PLAIN, "_id": "nope", "doc": {"n": 3}},
            {"_op_type": "index", "_index": PLAIN, "_id": "b", "n": 4},
            {"_op_type": "delete", "_index": PLAIN, "_id": "b"},
        ],
        raise_on_error=False,
    )
    statuses = sorted(next(iter(e.values()))["status"] for e in errors)
    check("bulk item errors", ok == 4 and statuses == [404, 409], (ok, errors))


def search(es):
    seen, after = [], None
    while True:
        page = es.search(
            index=STREAM,
            query={"bool": {"filter": [{"term": {"process.name": "cmd.exe"}}, {"range": {"@timestamp": {"gte": "2026-01-02"}}}]}},
            sort=[{"@timestamp": "asc"}, {"event.sequence": "asc"}],
            size=100,
            search_after=after,
            source=["event.sequence"],
            track_total_hits=True,
        )
        hits = page["hits"]["hits"]
        if not hits:
            break
        after = hits[-1]["sort"]
        seen += [h["_source"]["event"]["sequence"] for h in hits]
    wanted = [i for i in range(1234) if i % 3]
    check("search_after", seen == wanted, (len(seen), len(wanted)))
    check("total", page["hits"]["total"] == {"value": len(wanted), "relation": "eq"}, page["hits"]["total"])
    check("source filter", set(hits and hits[0]["_source"] or {"event": 0}) == {"event"})
    newest = es.search(index="logs-*", query={"wildcard": {"host.name": "host-*"}}, sort="@timestamp:desc", size=1)
    check("wildcards", newest["hits"]["hits"][0]["_source"]["event"]["sequence"] >= 0)
    aggs = es.search(index=STREAM, size=0, aggs={"hosts": {"terms": {"field": "host.name", "size": 3}}, "pids": {"max": {"field": "process.pid"}}})
    check("aggregations", len(aggs["aggregations"]["hosts"]["buckets"]) == 3 and aggs["aggregations"]["pids"]["value"] == 1233, aggs)
    found = es.search(index=PLAIN, query={"match": {"title": "QUICK"}})
    check("match", [h["_id"] for h in found["hits"]["hits"]] == ["a"], found)
    multi = es.msearch(searches=[{"index": STREAM}, {"size": 0}, {"index": "missing"}, {"size": 0}])
    check("msearch", [r["status"] for r in multi["responses"]] == [200, 404], multi)
    try:
        es.search(index=STREAM, query={"nonsense": {}})
        check("bad query", False)
    except ApiError as e:
        check("bad query", e.status_code == 400 and e.body["error"]["root_cause"][0]["reason"], e)


def documents(es):
    check("count", es.count(index=STREAM)["count"] == 1234)
    check("count query", es.count(index=STREAM, query={"prefix": {"process.name": "power"}})["count"] == len([i for i in range(1234) if i % 3 == 0]))
    got = es.get(index=PLAIN, id="a")
    check("get", got["_source"] == {"title": "The quick brown Fox", "n": 3} and got["_version"] == 2, got)
    check("exists", bool(es.exists(index=PLAIN, id="a")) and not es.exists(index=PLAIN, id="b"))
    try:
        es.get(index=PLAIN, id="b")
        check("get missing", False)
    except NotFoundError as e:
        check("get missing", e.body["found"] is False, e)
    new = es.index(index=PLAIN, document={"n": 9}, refresh=True)
    check("index", new["result"] == "created" and len(new["_id"]) == 20, new)
    try:
        es.create(index=PLAIN, id="a", document={})
        check("create conflict", False)
    except ConflictError as e:
        check("create conflict", e.body["error"]["type"] == "version_conflict_engine_exception", e)
    es.update(index=PLAIN, id="a", doc={"n": 5})
    check("update", es.get_source(index=PLAIN, id="a")["n"] == 5)
    check("mget", [d["found"] for d in es.mget(index=PLAIN, ids=["a", "zz"])["docs"]] == [True, False])
    check("delete", es.delete(index=PLAIN, id="a")["result"] == "deleted")
    check("refresh", es.indices.refresh(index=PLAIN)["_shards"]["failed"] == 0)
    check("indices exist", bool(es.indices.exists(index=PLAIN)) and not es.indices.exists(index="missing-index"))
    mapping = es.indices.get_mapping(index=STREAM)[STREAM]["mappings"]["properties"]
    check("mapping", mapping["process"]["properties"]["pid"]["type"] == "long" and mapping["@timestamp"]["type"] == "date", mapping)
    check("field caps", "keyword" in es.field_caps(index=STREAM, fields="host.*")["fields"]["host.name"])
    check("cat", any(r["index"] == PLAIN for r in es.cat.indices(format="json")))
    check("health", es.cluster.health()["status"] == "green")
    check("data stream", es.indices.get_data_stream(name=STREAM)["data_streams"][0]["name"] == STREAM)
    try:
        es.index(index=".alerts-security.alerts-default", document={})
        check("alerts are closed", False)
    except ApiError as e:
        check("alerts are closed", e.status_code == 403, e)
    check("delete index", es.indices.delete(index=PLAIN)["acknowledged"] and not es.indices.exists(index=PLAIN))


def keys(es):
    key = es.security.create_api_key(name="client-test", expiration="1d")
    check("api key", bool(key["id"] and key["api_key"] and key["encoded"]), key)
    with_key = Elasticsearch(URL, api_key=key["encoded"])
    me = with_key.security.authenticate()
    check("authenticate", me["authentication_type"] == "api_key" and me["api_key"]["id"] == key["id"], me)
    check("key searches", with_key.count(index=STREAM)["count"] == 1234)
    listed = es.security.get_api_key(id=key["id"])["api_keys"]
    check("get api key", len(listed) == 1 and listed[0]["invalidated"] is False, listed)
    gone = es.security.invalidate_api_key(ids=[key["id"]])
    check("invalidate", gone["invalidated_api_keys"] == [key["id"]], gone)
    try:
        with_key.count(index=STREAM)
        check("dead key", False)
    except ApiError as e:
        check("dead key", e.status_code == 401, e)


def main():
    es = Elasticsearch(URL, basic_auth=AUTH)
    info = es.info()
    check("info", info["version"]["number"].startswith("9."), info)
    bulk(es)
    search(es)
    documents(es)
    if os.environ.get("WATCHFIRE_SKIP_KEYS") != "1":
        keys(es)
    es.indices.delete_data_stream(name=STREAM)
    check("delete stream", not es.indices.exists(index=STREAM))


main()
