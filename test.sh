#!/usr/bin/env bash
# Installs what the tests need and runs all of them. `./test.sh --long` runs the long proofs in full.
set -euo pipefail
cd "$(dirname "$0")"

if [ "${1:-}" = --long ]; then export SHOPBELL_LONG=1; fi
started=$SECONDS
step() { printf '\n=== %s (%ss)\n' "$1" "$((SECONDS - started))"; }

step 'what the tests need'
packages=()
command -v redis-server >/dev/null || packages+=(redis-server)
command -v openssl >/dev/null || packages+=(openssl)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || packages+=(postgresql)
command -v nginx >/dev/null || packages+=(nginx-light)
command -v curl >/dev/null || packages+=(curl)
command -v chromium >/dev/null || packages+=(chromium fonts-noto-cjk)
command -v node >/dev/null || packages+=(nodejs npm)
command -v python3 >/dev/null || packages+=(python3)
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
  as_root=; [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

# Where there is room, what tests store is kept in memory: a shared disk that stands still for seconds is none of the faults that they are about.
# The proofs, the faults and all of `--long` are on the disk.
memory() { awk -v of="$1" '$1 == of":" {print int($2 / 1048576)}' /proc/meminfo; }
in_memory=()
if [ -z "${SHOPBELL_LONG:-}" ] && [ "$(memory MemAvailable)" -ge 14 ] && [ "$(df --output=avail /dev/shm | tail -1)" -ge $((8 << 20)) ]; then
  stored=$(mktemp -d /dev/shm/shopbell-test-XXXXXX)
  chmod 755 "$stored"
  trap 'rm -rf "$stored"' EXIT
  in_memory=(env TMPDIR="$stored")
fi

# The tests are compiled by Clippy, which is the compiler with its lints: libraries are compiled once for both.
linted() { RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings "$@"; }

step 'format, lints and the tests compiled'
cargo fmt --check
linted cargo test --quiet --no-run --all-targets
linted cargo build --quiet --examples

step 'the release build'
cargo build --quiet --release --bins
release=$PWD/target/release/shopbell

step 'tests'
linted "${in_memory[@]}" cargo test --quiet --lib --test layers --test outbound --test store --test journal --test socket
# These wait for servers more than they work.
linted "${in_memory[@]}" cargo test --quiet --test suite --test queue -- --test-threads 6

step 'the stories again, on PostgreSQL and the release build'
SHOPBELL_BIN=$release SHOPBELL_TEST_DATABASE=postgres linted "${in_memory[@]}" cargo test --quiet --test suite -- --test-threads 6

step 'licences and bans'
scripts/licences.py
if [ -n "${SHOPBELL_LONG:-}" ]; then
  # It reads the texts of licences too, and takes minutes to compile.
  deny=target/tools/bin/cargo-deny
  [ -x $deny ] || CARGO_TARGET_DIR=target/tools/build cargo install --quiet --debug --locked --no-default-features \
    --root target/tools cargo-deny@0.20.2
  $deny --log-level error check licenses bans sources
fi

step 'RFC 6455 conformance'
linted scripts/conformance.sh

step 'the server against its OpenAPI document'
SHOPBELL_BIN=$release scripts/contract.sh

step 'webhooks, verified by the library of Standard Webhooks'
SHOPBELL_BIN=$release scripts/webhooks.sh

step 'proofs and faults, on the release build'
SHOPBELL_BIN=$release linted cargo test --quiet --test proofs --test faults -- --nocapture --test-threads 1

step 'three nodes behind a balancer'
PORT=0 SHOPBELL_BIN=$release scripts/cluster-demo.sh --once

step 'the measurements, for a moment each'
# The limits beside them are not judged, and measured by what the tests were compiled with.
SHOPBELL_BIN=$release SHOPBELL_EXAMPLES=target/debug/examples scripts/bench.sh --short

step 'in the browser'
tests/browser/run.sh "$release"

step 'done'
