#!/usr/bin/env bash
# PostgreSQL, Redis and three nodes on this machine behind nginx, with the demo shop's pages. Then one node is killed while a buyer
# writes, and comes back. `--once` ends there; otherwise all runs until Ctrl-C.
#
# Needs PostgreSQL, redis-server, nginx and curl (Debian: postgresql redis-server nginx-light curl); `cargo build --release` is done where
# SHOPBELL_BIN names no binary. Listens on PORT (7800; 0: a free one). Everything lives in a temporary directory and ends with the script.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${PORT:-7800}
while [ "$port" = 0 ]; do
  port=$((20000 + RANDOM % 10000))
  # The one after it is for Redis.
  for taken in $port $((port + 1)); do (: <"/dev/tcp/127.0.0.1/$taken") 2>/dev/null && port=0; done
done
if [ -z "${SHOPBELL_BIN:-}" ]; then
  cargo build --release
  SHOPBELL_BIN=$PWD/target/release/shopbell
fi
for program in redis-server nginx curl; do
  command -v $program >/dev/null || { echo "$program is missing" >&2; exit 1; }
done
postgres=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1 || command -v initdb)")
[ -x "$postgres/initdb" ] || { echo "PostgreSQL is missing" >&2; exit 1; }

dir=$(mktemp -d /tmp/shopbell-demo-XXXXXX)
chmod 755 "$dir"
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
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say 'PostgreSQL and Redis'
# PostgreSQL does not run as root.
as_postgres=()
mkdir "$dir/pg"
if [ "$(id -u)" = 0 ]; then
  as_postgres=(runuser -u postgres --)
  chown postgres "$dir/pg"
fi
(cd /; "${as_postgres[@]}" "$postgres/initdb" -D "$dir/pg/data" -U shopbell --auth trust --encoding UTF8 --locale C >/dev/null
  "${as_postgres[@]}" "$postgres/pg_ctl" -D "$dir/pg/data" -w -l "$dir/pg/log" \
    -o "-c listen_addresses= -c unix_socket_directories=$dir/pg" start >/dev/null
  "${as_postgres[@]}" "$postgres/createdb" -h "$dir/pg" -U shopbell shopbell)
redis_port=$((port + 1))
redis-server --port $redis_port --bind 127.0.0.1 --save '' --dir "$dir" >"$dir/redis.log" &
pids+=($!)

# start_node NUMBER [FLAG]: starts a node and sets address[NUMBER].
declare -A node address
start_node() {
  local number=$1
  shift
  SHOPBELL__DATABASE__URL="postgres:///shopbell?host=$dir/pg&user=shopbell" \
    SHOPBELL__REDIS__URL="redis://127.0.0.1:$redis_port" \
    SHOPBELL__AUTH__SECRET="${secret:=$(head -c 32 /dev/urandom | base64)}" \
    SHOPBELL__CLUSTER__NODE="node-$number" \
    SHOPBELL__HTTP__BIND="127.0.0.1:${address[$number]:-0}" \
    SHOPBELL__HTTP__TRUSTED_PROXIES=127.0.0.1 \
    "$SHOPBELL_BIN" serve "$@" >"$dir/node-$number.log" 2>&1 &
  node[$number]=$!
  pids+=($!)
  for _ in $(seq 200); do
    address[$number]=$(sed -n 's,^listening on http://127.0.0.1:,,p' "$dir/node-$number.log")
    [ -n "${address[$number]}" ] && return
    sleep 0.1
  done
  cat "$dir/node-$number.log" >&2
  exit 1
}

say 'Three nodes'
secret=$(head -c 32 /dev/urandom | base64)
start_node 1 --demo
start_node 2
start_node 3
for number in 1 2 3; do echo "  node-$number  http://127.0.0.1:${address[$number]}"; done

say 'nginx before them'
cat >"$dir/nginx.conf" <<NGINX
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_max_body_size 16m;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  map \$http_upgrade \$connection_upgrade { default upgrade; '' ''; }
  upstream shopbell {
    server 127.0.0.1:${address[1]} max_fails=1 fail_timeout=1s;
    server 127.0.0.1:${address[2]} max_fails=1 fail_timeout=1s;
    server 127.0.0.1:${address[3]} max_fails=1 fail_timeout=1s;
  }
  server {
    listen 127.0.0.1:$port;
    location / {
      proxy_pass http://shopbell;
      proxy_http_version 1.1;
      proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection \$connection_upgrade;
      # A send has an idempotency key: it may be tried again on the next node.
      proxy_next_upstream error timeout http_503 non_idempotent;
      # Sockets are pinged every 10 s.
      proxy_read_timeout 75s;
    }
  }
}
NGINX
nginx -c "$dir/nginx.conf" 2>>"$dir/nginx.log" &
pids+=($!)
for _ in $(seq 100); do curl -fs "http://127.0.0.1:$port/healthz" >/dev/null && break; sleep 0.1; done
curl -fs "http://127.0.0.1:$port/healthz" >/dev/null

echo
echo "  shop     http://127.0.0.1:$port/demo    where a buyer opens a chat"
echo "  agents   http://127.0.0.1:$port/agent   where agents claim and answer"
sed -n '/^  login /p' "$dir/node-1.log"

say 'A buyer writes ten messages; after the fourth, node-2 is killed'
api=http://127.0.0.1:$port/api/v1
token=$(curl -fs "$api/visitors" -H 'content-type: application/json' -d '{"shop":"demo","name":"Vera"}' |
  sed 's/.*"token":"\([^"]*\)".*/\1/')
# send ID TEXT: the same message again, under the same id, until it is stored.
send() {
  for _ in $(seq 50); do
    curl -fs "$api/messages" -H "authorization: Bearer $token" -H 'content-type: application/json' \
      -d "{\"id\":\"$1\",\"to\":{\"shop\":\"demo\"},\"content\":{\"kind\":\"text\",\"text\":\"$2\"}}" && { echo; return; }
    sleep 0.2
  done
  echo 'not stored within ten seconds' >&2
  exit 1
}
for n in 1 2 3 4 5 6 7 8 9 10; do
  send "demo-$n" "message $n"
  if [ $n = 4 ]; then
    kill -9 "${node[2]}"
    wait "${node[2]}" 2>/dev/null || true
    echo '  (node-2 is dead)'
  fi
done
conversation=$(send demo-10 'message 10' | sed 's/.*"conversation":\([0-9]*\).*/\1/')
stored=$(curl -fs "$api/conversations/$conversation/messages" -H "authorization: Bearer $token" |
  grep -o '"text":"message [0-9]*"' | grep -o '[0-9]*' | tr '\n' ' ')
echo "stored, in order: $stored"
[ "$stored" = '1 2 3 4 5 6 7 8 9 10 ' ] || { echo 'not what was sent' >&2; exit 1; }

say 'node-2 comes back'
start_node 2
for number in 1 2 3; do
  printf '  node-%s  ' $number
  curl -fs "http://127.0.0.1:${address[$number]}/readyz"
  echo
done

[ "${1:-}" = --once ] && exit 0
say 'All of it runs until Ctrl-C.'
wait
