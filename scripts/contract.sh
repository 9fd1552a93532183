#!/usr/bin/env bash
# Holds the server against its OpenAPI document: schemathesis asks every operation for what the document allows and for what it does not.
# Needs python3 with venv; schemathesis comes from PyPI at the first run. SHOPBELL_LONG=1 asks much more.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
target=${CARGO_TARGET_DIR:-target}
venv=$target/tools/schemathesis
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

if ! "$venv/bin/st" --version 2>/dev/null | grep -qF "$version"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi
binary=${SHOPBELL_BIN:-$target/debug/shopbell}
[ -n "${SHOPBELL_BIN:-}" ] || cargo build --quiet

export SHOPBELL__AUTH__SECRET='a secret of the tests, long enough for HS256'
export SHOPBELL__DATABASE__URL=sqlite://$work/shopbell.db
export SHOPBELL__HTTP__BIND=127.0.0.1:0
# Limits are tests' own matter elsewhere.
export SHOPBELL__LIMITS__REQUESTS_PER_MINUTE=1000000 SHOPBELL__LIMITS__MESSAGES_PER_SECOND=100000 SHOPBELL__LIMITS__MESSAGES_BURST=100000
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
PYTHONPATH=tests/contract PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/contract/data.py "$base"

examples=20
[ "${SHOPBELL_LONG:-}" != 1 ] || examples=500
PYTHONPATH=tests/contract PYTHONDONTWRITEBYTECODE=1 "$venv/bin/st" --config-file tests/contract/schemathesis.toml run "$base/api/openapi.json" \
    --max-examples "$examples" "$@"
