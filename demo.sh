#!/usr/bin/env bash
# Runs the demo on this machine: ./demo.sh [--for 30s] [--port 1883]. Needs the .NET 10 SDK, and installs nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source build/setup.sh
require_dotnet
build_release src/Edge.Runtime
exec dotnet src/Edge.Runtime/bin/Release/net10.0/edge-runtime.dll demo "$@"
