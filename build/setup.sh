# Sourced by demo.sh, test.sh and .ci/run: installs what a fresh Debian, Raspberry Pi OS or Ubuntu machine lacks.

require_dotnet() {
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
  if ! command -v dotnet >/dev/null || ! dotnet --list-sdks | grep -q '^10\.'; then
    echo "The .NET 10 SDK is not installed. See https://learn.microsoft.com/dotnet/core/install/linux, then run this again." >&2
    exit 1
  fi
}

# install_package NAME...: with apt-get, as root or through sudo.
install_package() {
  echo "Installing $* ..." >&2
  if ! command -v apt-get >/dev/null; then
    echo "$* is missing and apt-get is not here to install it. Install it by hand, then run this again." >&2
    exit 1
  fi
  local as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  export DEBIAN_FRONTEND=noninteractive
  if ! "${as_root[@]}" apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1; then
    "${as_root[@]}" apt-get update -q >/dev/null
    "${as_root[@]}" apt-get install -y -q --no-install-recommends "$@" >/dev/null
  fi
}

# require_program PROGRAM PACKAGE
require_program() {
  PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null || install_package "$2"
}

# node_red: the packages of ExampleTests, where npm is there.
node_red() {
  local folder=tests/Edge.EndToEnd.Tests/NodeRed
  if command -v npm >/dev/null && [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    npm ci --prefix "$folder" --ignore-scripts --omit=optional --prefer-offline --no-audit --no-fund >/dev/null
  fi
}

# build_release PROJECT
build_release() {
  local log
  log=$(mktemp)
  echo "Building $1 ..." >&2
  if ! dotnet build "$1" -c Release --nologo -v:q >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
}
