#!/usr/bin/env bash
# Publishes edge-runtime and edge-quantize for a device, as native code, into one folder:
#
#   deploy/publish.sh linux-arm64 FOLDER [options of dotnet publish]
#
# linux-arm64     Raspberry Pi (64-bit), Jetson
# linux-x64       an Intel or AMD processor with AVX2; without it the programs say so and end
# linux-x64-v2    one without AVX2, such as an Intel Atom; a step takes several times as long
set -euo pipefail
fail() { echo "$1" >&2; exit "${2-1}"; }
[ $# -ge 2 ] || fail "Name a device and a folder: $0 linux-arm64, linux-x64 or linux-x64-v2, FOLDER" 2
device=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# need PROGRAM PACKAGE...: a program of the last package.
need() { command -v "$1" >/dev/null || fail "$1 is missing. On Debian and Ubuntu: sudo apt-get install ${*:2}"; }
need dotnet dotnet-sdk-10.0
case $device in
  linux-x64) options=(-r linux-x64) ;;
  linux-x64-v2) options=(-r linux-x64 -p:IlcInstructionSet=x86-64-v2) ;;
  linux-arm64) options=(-r linux-arm64) ;;
  *) fail "Unknown device $device: linux-arm64, linux-x64 or linux-x64-v2." 2 ;;
esac
case $(uname -m)/$device in
  x86_64/linux-x64* | aarch64/linux-arm64) command -v clang >/dev/null || need gcc gcc libc6-dev ;;
  x86_64/linux-arm64)
    packages=(clang lld gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    for program in clang ld.lld aarch64-linux-gnu-gcc aarch64-linux-gnu-objcopy; do need "$program" "${packages[@]}"; done ;;
  *) fail "$device cannot be built on $(uname -m). Build it on an x86-64 machine." ;;
esac

for project in Edge.Runtime Edge.Quantize; do
  dotnet publish "src/$project" -p:PublishProfile=device "${options[@]}" -o "$folder" --nologo -v:q "$@"
done
chmod 0644 "$folder"/*.so
