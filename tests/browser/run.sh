#!/usr/bin/env bash
# The pages in a browser: the client's own tests, then the stories against a fresh demo server.
# `tests/browser/run.sh PATH_OF_SHOPBELL`
set -euo pipefail
binary=$(realpath "${1:?usage: tests/browser/run.sh PATH_OF_SHOPBELL}")
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-audit --no-fund --silent
npx tsc -p .
node bundle.mjs --check
node --test --test-reporter=spec client.test.mjs words.test.mjs

said=$(mktemp)
SHOPBELL__AUTH__SECRET=$(node -p 'crypto.randomBytes(32).toString("hex")')
export SHOPBELL__AUTH__SECRET
SHOPBELL__HTTP__BIND=127.0.0.1:0 "$binary" serve --demo >"$said" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$said"' EXIT

for _ in $(seq 300); do
  grep -q '^  login  bob ' "$said" && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
SHOPBELL_URL=$(sed -n 's/^listening on //p' "$said")
AGENT_PASSWORD=$(awk '$1 == "login" && $2 == "alice" { print $3 }' "$said")
AGENT2_PASSWORD=$(awk '$1 == "login" && $2 == "bob" { print $3 }' "$said")
if [ -z "$AGENT2_PASSWORD" ]; then
  echo "the server did not come up; it said:" >&2
  cat "$said" >&2
  exit 1
fi
export SHOPBELL_URL AGENT_UID=alice AGENT_PASSWORD AGENT2_UID=bob AGENT2_PASSWORD

node talk.mjs
node desk.mjs
node embed.mjs
node admin.mjs
node hostile.mjs
node access.mjs
node cuts.mjs
node smooth.mjs
