#!/usr/bin/env bash
# curl against a running server: bulk (plain and gzip), search with search_after, count, get, API keys, bad input.
# Environment: WATCHFIRE_ES_URL, WATCHFIRE_USER, WATCHFIRE_PASSWORD. Exits 0 when every step holds.
set -euo pipefail
url=${WATCHFIRE_ES_URL:-http://127.0.0.1:9200}
auth="${WATCHFIRE_USER:-elastic}:${WATCHFIRE_PASSWORD:?}"
index="logs-curl.$RANDOM$RANDOM-default"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

es() { curl -sS --max-time 60 -u "$auth" "$@"; }
# check NAME EXPECTED ACTUAL: the actual text must contain the expected one.
check() {
  if [[ "$3" == *"$2"* ]]; then echo "ok   curl $1"; else echo "FAIL curl $1: wanted $2, got $3"; exit 1; fi
}

check "product header" "x-elastic-product: Elasticsearch" "$(es -D - -o /dev/null "$url/" | tr 'X' 'x' | sed 's/Elastic-Product/elastic-product/')"
check "no credentials" "401" "$(curl -s -o /dev/null -w '%{http_code}' "$url/")"
for i in $(seq 1 20); do
  printf '{"create":{}}\n{"@timestamp":"2026-01-02T03:04:%02d.000Z","n":%d}\n' "$i" "$i"
done >"$tmp/bulk"
check "bulk" '"errors":false' "$(es -H 'content-type: application/x-ndjson' --data-binary "@$tmp/bulk" "$url/$index/_bulk")"
gzip -k "$tmp/bulk"
check "bulk gzip" '"errors":false' "$(es -H 'content-type: application/x-ndjson' -H 'content-encoding: gzip' --data-binary "@$tmp/bulk.gz" "$url/$index/_bulk?filter_path=errors,items.*.error,items.*.status")"
printf '{"create":{"_id":"ok"}}\n{"n":100}\n{"create":{}}\n{broken\nnonsense\n{"create":{}}\n{"n":"\xff"}\n' >"$tmp/bad"
bad=$(es -H 'content-type: application/x-ndjson' --data-binary "@$tmp/bad" "$url/$index/_bulk")
check "malformed lines fail alone" '"errors":true' "$bad"
check "the good one stays" '"_id":"ok"' "$bad"
check "no newline at the end" '400' "$(printf '{"create":{}}\n{"n":1}' | es -o /dev/null -w '%{http_code}' -H 'content-type: application/x-ndjson' --data-binary @- "$url/$index/_bulk")"
page=$(es -H 'content-type: application/json' -d '{"size":5,"sort":[{"n":"asc"},{"@timestamp":"asc"}]}' "$url/$index/_search")
check "search" '"hits":[' "$page"
after=$(printf '%s' "$page" | grep -o '"sort":\[[^]]*\]' | tail -1 | sed 's/"sort"://')
check "search_after" '"_source":{"@timestamp":"2026-01-02T03:04:04' "$(es -H 'content-type: application/json' -d "{\"size\":1,\"sort\":[{\"n\":\"asc\"},{\"@timestamp\":\"asc\"}],\"search_after\":$after}" "$url/$index/_search")"
check "search by url" '"total":{"value":2' "$(es "$url/$index/_search?q=n:7&size=0")"
check "count" '"count":41' "$(es "$url/$index/_count")"
check "get" '"found":true' "$(es "$url/$index/_doc/ok")"
check "refresh" '"failed":0' "$(es -X POST "$url/$index/_refresh")"
check "missing index" '"type":"index_not_found_exception"' "$(es "$url/none-such/_search")"
check "compatible media type" 'compatible-with=8' "$(es -D - -o /dev/null -H 'accept: application/vnd.elasticsearch+json; compatible-with=8' "$url/")"
check "alerts are closed" '"status":403' "$(printf '{"create":{"_index":".alerts-security.alerts-default"}}\n{"n":1}\n' | es -H 'content-type: application/x-ndjson' --data-binary @- "$url/_bulk")"
if [[ "${WATCHFIRE_SKIP_KEYS:-}" != 1 ]]; then
  key=$(es -H 'content-type: application/json' -d '{"name":"curl-test"}' "$url/_security/api_key")
  encoded=$(printf '%s' "$key" | grep -o '"encoded":"[^"]*"' | cut -d'"' -f4)
  id=$(printf '%s' "$key" | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
  check "api key" '"count":41' "$(curl -sS -H "authorization: ApiKey $encoded" "$url/$index/_count")"
  check "authenticate" '"authentication_type":"api_key"' "$(curl -sS -H "authorization: ApiKey $encoded" "$url/_security/_authenticate")"
  check "invalidate" "$id" "$(es -X DELETE -H 'content-type: application/json' -d "{\"ids\":[\"$id\"]}" "$url/_security/api_key")"
fi
if [[ "${WATCHFIRE_BIG:-1}" == 1 ]]; then
  check "a body of 200 MB" '413' "$(head -c 200000000 /dev/zero | es -o /dev/null -w '%{http_code}' -H 'content-type: application/x-ndjson' -H 'expect:' --data-binary @- "$url/$index/_bulk")"
fi
check "delete stream" '"acknowledged":true' "$(es -X DELETE "$url/_data_stream/$index")"
