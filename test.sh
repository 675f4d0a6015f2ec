#!/usr/bin/env bash
# All tests: ./test.sh [options of dotnet test]. Needs the .NET 10 SDK; installs the rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source build/setup.sh
require_dotnet
require_program mosquitto mosquitto
require_program mosquitto_sub mosquitto-clients
require_program openssl openssl
require_program strace strace
require_program chromium chromium
require_program jq jq
require_program curl curl
# ExampleTests run Node-RED from npm. It installs while the build runs; without npm, that test is skipped.
if [ -z "${EDGE_BUILT:-}" ]; then
  node_red &
  build_release Edge.sln
  wait $! || echo "npm cannot install Node-RED; its test is skipped." >&2
fi
# Most of a test's processor time is compilation, of code that runs once. The programs are built to compile all in full at the first call.
# And no code runs for long enough to earn back that it counts its own calls and branches first.
export DOTNET_TC_QuickJit=1 DOTNET_TieredPGO=0
# Two assemblies at a time: the tests end to end wait for most of their time.
dotnet test Edge.sln -c Release --no-build --nologo -m:2 "$@" | awk '
  { print; fflush() }
  /^(Passed|Failed)! / { gsub(/[:,]/, ""); failed += $4; passed += $6; skipped += $8 }
  END { printf "All tests: %d passed, %d failed, %d skipped\n", passed, failed, skipped }'
