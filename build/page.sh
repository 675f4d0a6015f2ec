#!/usr/bin/env bash
# Bundles the page: build/page.sh writes src/Edge.Runtime/Web/Page/built; build/page.sh --check compares with it. Needs Node and npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../src/Edge.Runtime/Web/Page"
npm ci --no-audit --no-fund --ignore-scripts >/dev/null
if [ "${1-}" = --check ]; then
  target=$(mktemp -d)
  trap 'rm -rf "$target"' EXIT
  node build.mjs "$target"
  diff -r built "$target"
else
  node build.mjs built
fi
