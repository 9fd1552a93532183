#!/usr/bin/env bash
# RFC 6455 conformance of the socket layer: runs kosoku's cases 1-7 and 10 against the echo example on a free port.
# Prints "247 of 247", fails otherwise. Needs python3 with venv; kosoku comes from PyPI at the first run.
set -euo pipefail
cd "$(dirname "$0")/.."

cases=247
groups=(1 2 3 4 5 6 7 10)
target=${CARGO_TARGET_DIR:-target}
venv=$target/kosoku
reports=$target/conformance

if ! [ -x "$venv/bin/kosoku" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check kosoku==0.1.0
fi

cargo build --quiet --example echo
rm -rf "$reports"
mkdir -p "$reports"
"$target/debug/examples/echo" 127.0.0.1:0 >"$reports/echo.log" &
echo_server=$!
trap 'kill $echo_server 2>/dev/null || true' EXIT

address=
for _ in $(seq 100); do
    address=$(sed -n 's,^listening on ws://\(.*\)/$,\1,p' "$reports/echo.log")
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo "the echo server did not start" >&2; exit 1; }

include=()
for group in "${groups[@]}"; do include+=(-i "$group.*"); done
timeout 120 "$venv/bin/kosoku" -p 4 "${include[@]}" -o "$reports" "$address" >"$reports/kosoku.log" 2>&1 || true

# Both what came back and how the connection was closed must be right; "informational" is for cases without a rule.
"$venv/bin/python" - "$reports/index.json" "$cases" <<'PY'
import json, sys

report, cases = sys.argv[1], int(sys.argv[2])
results = {case: result for agent in json.load(open(report)).values() for case, result in agent.items()}
good = {"OK", "NON-STRICT", "INFORMATIONAL"}
passed = [c for c, r in results.items() if r["behavior"] in good and r["behaviorClose"] in good]
for case in sorted(set(results) - set(passed)):
    print(f"case {case}: {results[case]['behavior']}, close {results[case]['behaviorClose']}", file=sys.stderr)
print(f"{len(passed)} of {cases}")
sys.exit(len(passed) != cases)
PY
