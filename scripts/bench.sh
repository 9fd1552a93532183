#!/usr/bin/env bash
# Measures everything that docs/performance.md says, on this machine, and writes that page: each figure beside what the machine
# gives by itself. `--short` runs everything for a moment, to see that it works, and writes to a temporary file. `--soak` adds twenty minutes.
#
# Needs PostgreSQL, redis-server and python3 (Debian: postgresql redis-server python3). `cargo build --release` is done where
# SHOPBELL_BIN names no binary. Everything lives in a temporary directory and ends with the script.
set -euo pipefail
cd "$(dirname "$0")/.."

short= soak=
for argument in "$@"; do
  case $argument in
    --short) short=1 ;;
    --soak) soak=1 ;;
    *) echo "usage: $0 [--short | --soak]" >&2; exit 2 ;;
  esac
done
for program in redis-server python3; do
  command -v $program >/dev/null || { echo "$program is missing" >&2; exit 1; }
done
postgres=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1 || command -v initdb)")
[ -x "$postgres/initdb" ] || { echo "PostgreSQL is missing" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)"

# The limits are measured with the same optimization as the server.
target=${CARGO_TARGET_DIR:-target}
if [ -n "${SHOPBELL_BIN:-}" ]; then
  bin=$SHOPBELL_BIN
  examples=${SHOPBELL_EXAMPLES:-$(dirname "$bin")/examples}
else
  cargo build --quiet --release
  bin=$target/release/shopbell
  examples=$target/release/examples
fi
if ! { [ -x "$examples/echo" ] && [ -x "$examples/bare_database" ]; }; then
  cargo build --quiet --release --example echo --example bare_database
  examples=$target/release/examples
fi

dir=$(mktemp -d /tmp/shopbell-bench-XXXXXX)
chmod 755 "$dir"
out=$dir/results
mkdir "$out"
pids=()
finish() {
  trap - EXIT INT TERM
  kill "${pids[@]}" 2>/dev/null || true
  "${as_postgres[@]}" "$postgres/pg_ctl" -D "$dir/pg/data" -m immediate stop >/dev/null 2>&1 || true
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

# PostgreSQL does not run as root. Its settings are its own defaults, but for those that docs/operations.md tells to change: its log of
# changes would else be kept small by checkpoints every few seconds, and what it has in memory would not hold what was said a moment ago.
as_postgres=()
mkdir "$dir/pg"
if [ "$(id -u)" = 0 ]; then
  as_postgres=(runuser -u postgres --)
  chown postgres "$dir/pg"
fi
(cd /; "${as_postgres[@]}" "$postgres/initdb" -D "$dir/pg/data" -U shopbell --auth trust --encoding UTF8 --locale C >/dev/null
  "${as_postgres[@]}" "$postgres/pg_ctl" -D "$dir/pg/data" -w -l "$dir/pg/log" \
    -o "-c listen_addresses= -c unix_socket_directories=$dir/pg -c max_wal_size=4GB -c shared_buffers=1GB" start >/dev/null)
postmaster=$(head -1 "$dir/pg/data/postmaster.pid")
redis_port=$((20000 + RANDOM % 10000))
while (: <"/dev/tcp/127.0.0.1/$redis_port") 2>/dev/null; do redis_port=$((redis_port + 1)); done
redis-server --port $redis_port --bind 127.0.0.1 --save '' --dir "$dir" >"$dir/redis.log" &
pids+=($!)
redis=$!

databases=0
# database sqlite|postgres: sets `url` to a database that nobody has used.
database() {
  databases=$((databases + 1))
  if [ "$1" = sqlite ]; then
    url=sqlite://$dir/bench$databases/bench.db
  else
    (cd /; "${as_postgres[@]}" "$postgres/createdb" -h "$dir/pg" -U shopbell "bench$databases")
    url="postgres:///bench$databases?host=$dir/pg&user=shopbell"
  fi
}
failed=
# bench NAME OPTION…: a run on `url`, on one core, of a server of its own.
bench() {
  local name=$1
  shift
  echo "== $name: $*" >&2
  SHOPBELL__REDIS__PREFIX=$name: "$bin" bench --json --core "$core" --database "$url" --beside "$postmaster" --beside $redis "$@" \
    >"$out/$name.json" || { failed="$failed $name"; [ -s "$out/$name.json" ] || echo '{}' >"$out/$name.json"; }
}
get() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get(sys.argv[2]) or 1)' "$out/$1.json" "$2"; }
# where NAME: where processor time goes in the run that is started next.
where() {
  PATH=$postgres:$PATH python3 scripts/where.py "$url" "$postmaster" $redis \
    "$(python3 -c "print($warm + $seconds / 4)")" "$(python3 -c "print($seconds / 2)")" >"$out/where-$1.json" &
  watcher=$!
}
# limit NAME RUN LANES: the bare database, in the batches that settled in another run.
limit() {
  database "$(echo "$1" | sed 's/.*-//')"
  local rows
  rows=$(python3 -c 'import sys; print(max(1, round(float(sys.argv[1]))))' "$(get "$2" batch_entries)")
  echo "== $1: batches of $rows on $3 connections" >&2
  printf '{"rows_per_second": %s, "rows": %s}\n' "$("$examples/bare_database" "$url" "$rows" "$3" "$seconds")" "$rows" >"$out/$1.json"
}

core=$(($(nproc) - 1))
full='--buyers 200 --shops 20'
# A server needs two descriptors for each.
connections=$(($(ulimit -n) / 2 - 300)) seconds=20 stored=1000000 many=10000 messages=1000 warm=3
[ $connections -lt 10000 ] || connections=10000
if [ -n "$short" ]; then
  full='--buyers 20 --shops 4'
  connections=50 seconds=0.5 stored=2000 many=30 messages=300 warm=0.1
fi
run="--seconds $seconds --warmup $warm"

for store in postgres sqlite; do
  database $store
  with_redis=
  [ $store = postgres ] && with_redis="--redis redis://127.0.0.1:$redis_port"
  where closed-$store
  bench closed-$store $with_redis $full $run --window 4
  wait $watcher
  limit bare-$store closed-$store "$([ $store = postgres ] && echo 4 || echo 1)"
  database $store
  where open-$store
  bench open-$store $with_redis $full $run --rate "$([ -n "$short" ] && echo 100 || echo 10000)"
  wait $watcher
done
with_redis="--redis redis://127.0.0.1:$redis_port"

database postgres
bench fanout $with_redis $full $run --kind waiting --agents 5

# Frames that go nowhere, over the same socket layer on one thread.
"$examples/echo" 127.0.0.1:0 >"$dir/echo.log" &
pids+=($!)
echo_pid=$!
for _ in $(seq 100); do
  address=$(sed -n 's,^listening on ws://\(.*\)/$,\1,p' "$dir/echo.log")
  [ -n "$address" ] && break
  sleep 0.1
done
echo "== echo: $address" >&2
"$bin" bench --json --core "$core" --kind echo --url "http://$address" --secret none --pid $echo_pid $full $run --window 4 \
  >"$out/echo.json" || failed="$failed echo"

peak=$(get closed-postgres acked_per_second)
database postgres
bench overload $with_redis $full --seconds "$([ -n "$short" ] && echo 0.5 || echo 10)" --warmup $warm \
  --rate "$(python3 -c 'import sys; print(max(1, round(3 * float(sys.argv[1]))))' "$peak")" \
  --then "$(python3 -c 'import sys; print(max(1, round(float(sys.argv[1]) / 4)))' "$peak")"

database postgres
bench storm $with_redis --buyers 100 --shops 10 --rate "$([ -n "$short" ] && echo 50 || echo 500)" --idle $connections --storm $run
database postgres
bench flush $with_redis --kind direct --buyers 1 --messages $messages --window 64 --away --seconds 60 --warmup 0

for store in postgres sqlite; do
  for rows in 1000 $stored; do
    database $store
    SHOPBELL__DATABASE__URL=$url "$bin" seed --shops 20 --conversations $((rows / 50)) --messages $rows >/dev/null 2>&1
    bench stored-$rows-$store $full $run --window 4
  done
done
rate=$([ -n "$short" ] && echo 50 || echo 5000)
for shops in 10 $many; do
  database postgres
  bench shops-$shops $with_redis --buyers "$([ -n "$short" ] && echo 20 || echo 2000)" --shops $shops --rate $rate $run
done
for agents in 1 100; do
  database postgres
  bench agents-$agents $with_redis --kind waiting --buyers 20 --shops 4 --agents $agents --rate "$([ -n "$short" ] && echo 5 || echo 200)" $run
done
if [ -n "$soak" ]; then
  database postgres
  bench soak $with_redis $full --rate 1000 --idle 2000 --churn 200 --seconds 1200 --warmup 300
fi

page=docs/performance.md
[ -n "$short" ] && page=$dir/performance.md
[ -n "$soak" ] || echo '{}' >"$out/soak.json"
POSTGRES=$("$postgres/postgres" --version | sed "s,^postgres (,,; s,),,") REDIS=$(redis-server --version) STORED=$stored SHOPS=$many SHORT=$short \
  python3 scripts/performance.py "$out" "$page"
[ -n "$short" ] && cat "$page"
[ -z "$failed" ] || { echo "faults, or no result, in:$failed" >&2; exit 1; }
