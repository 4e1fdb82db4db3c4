#!/usr/bin/env bash
# Runs the official clients and curl against the server that WATCHFIRE_ES_URL names (default http://127.0.0.1:9200) with WATCHFIRE_USER and
# WATCHFIRE_PASSWORD. Clients are installed under $WATCHFIRE_CLIENTS_DIR (default target/clients) at the versions named here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${WATCHFIRE_CLIENTS_DIR:-$here/../../target/clients}
mkdir -p "$dir/js"
if [[ ! -x "$dir/venv/bin/python" ]]; then python3 -m venv "$dir/venv"; fi
"$dir/venv/bin/pip" -q install 'elasticsearch==9.5.1'
if [[ ! -d "$dir/js/node_modules/@elastic/elasticsearch" ]]; then
  (cd "$dir/js" && npm init -y >/dev/null && npm install --silent --no-fund --no-audit '@elastic/elasticsearch@^9')
fi
bash "$here/curl.sh"
"$dir/venv/bin/python" "$here/clients.py"
WATCHFIRE_NODE_MODULES="$dir/js" node "$here/clients.mjs"
