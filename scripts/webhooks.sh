#!/usr/bin/env bash
# Has what is posted to a webhook verified by the client library of Standard Webhooks, while its secret is changed.
# Needs python3 with venv; standardwebhooks comes from PyPI at the first run.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.0.0
target=${CARGO_TARGET_DIR:-target}
venv=$target/tools/standardwebhooks
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

if ! "$venv/bin/pip" list 2>/dev/null | grep -q "standardwebhooks *$version"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "standardwebhooks==$version"
fi
binary=${SHOPBELL_BIN:-$target/debug/shopbell}
[ -n "${SHOPBELL_BIN:-}" ] || cargo build --quiet

export SHOPBELL__AUTH__SECRET='a secret of the tests, long enough for HS256'
export SHOPBELL__DATABASE__URL=sqlite://$work/shopbell.db
export SHOPBELL__HTTP__BIND=127.0.0.1:0
export SHOPBELL__WEBHOOKS__ALLOW_PRIVATE=true
"$binary" serve >"$work/log" 2>&1 &
server=$!
base=
for _ in $(seq 100); do
    base=$(sed -n 's,^listening on \(http://.*[0-9]\).*,\1,p' "$work/log")
    [ -n "$base" ] && break
    sleep 0.1
done
[ -n "$base" ] || { echo "the server did not start" >&2; cat "$work/log" >&2; exit 1; }
"$binary" operator add boss >/dev/null
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/webhooks/verify.py "$base" "$("$binary" token --sub boss)" \
    "$("$binary" token --sub owner)" "$("$binary" token --sub buyer)"
