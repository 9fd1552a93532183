#!/usr/bin/env bash
# The pages in a browser: the client's own tests, then the stories, each against a fresh demo server.
# `tests/browser/run.sh PATH_OF_SHOPBELL`
set -euo pipefail
SHOPBELL_BIN=$(realpath "${1:?usage: tests/browser/run.sh PATH_OF_SHOPBELL}")
export SHOPBELL_BIN
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-audit --no-fund --silent
npx tsc -p .
node bundle.mjs --check
node --test --test-reporter=spec client.test.mjs inbox.test.mjs words.test.mjs
node all.mjs
