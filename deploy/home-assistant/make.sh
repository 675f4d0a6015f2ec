#!/usr/bin/env bash
# Makes the folder of the add-on for Home Assistant, from the Debian packages in deploy/out:
#
#   deploy/build-deb.sh linux-arm64 linux-x64 && deploy/home-assistant/make.sh FOLDER      -> FOLDER/edge_runtime
set -euo pipefail
[ $# = 1 ] || { echo "Name a folder: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's/^version: "\(.*\)"/\1/p' "$here/edge_runtime/config.yaml")
for arch in arm64 amd64; do
  for name in edge-runtime edge-quantize; do
    [ -f "$here/../out/${name}_${version}_$arch.deb" ] \
      || { echo "deploy/out has no ${name}_${version}_$arch.deb. Make it: deploy/build-deb.sh linux-arm64 linux-x64" >&2; exit 1; }
  done
done
mkdir -p "$1"
rm -rf "$1/edge_runtime"
cp -r "$here/edge_runtime" "$1/"
cp "$here"/../out/edge-{runtime,quantize}_"$version"_{arm64,amd64}.deb "$1/edge_runtime/"
