#!/usr/bin/env bash
# Publishes both programs and makes a Debian package of each:
#
#   deploy/build-deb.sh linux-arm64 [linux-x64 linux-x64-v2 ...]     -> deploy/out/edge-{runtime,quantize}_VERSION_ARCH.deb
#
# deploy/publish.sh lists the devices. Both packages install into /usr/lib/edge-runtime, because they share libonnxruntime.so, and because
# the service starts edge-quantize beside itself to learn a model. edge-runtime recommends edge-quantize: a small device may go without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
[ $# -gt 0 ] || { echo "Name a device: $0 linux-arm64, linux-x64 or linux-x64-v2" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p deploy/out

# common PACKAGE TREE: what every package has.
common() {
  mkdir -p "$2"/{DEBIAN,usr/bin,usr/lib/edge-runtime,"usr/share/doc/$1",usr/share/man/man1,usr/share/lintian/overrides}
  install -m 0755 "$work/published/$1" "$2/usr/lib/edge-runtime/"
  ln -s "../lib/edge-runtime/$1" "$2/usr/bin/$1"
  gzip -9n <"deploy/debian/$1.1" >"$2/usr/share/man/man1/$1.1.gz"
  install -m 0644 "deploy/debian/$1.lintian-overrides" "$2/usr/share/lintian/overrides/$1"
  install -m 0644 deploy/debian/copyright "$2/usr/share/doc/$1/"
  printf '%s (%s) stable; urgency=medium\n\n  * See README.md.\n\n -- The Edge Runtime authors <edge-runtime@localhost>  Sat, 21 Nov 2026 00:00:00 +0000\n' "$1" "$version" \
    | gzip -9n >"$2/usr/share/doc/$1/changelog.gz"
}

# build PACKAGE TREE ARCH SUFFIX
build() {
  local size
  size=$(du -sk "$2" | cut -f1)
  sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$3/" -e "s/@SIZE@/$size/" "deploy/debian/$1.control" >"$2/DEBIAN/control"
  chmod -R go=rX "$2"
  dpkg-deb --root-owner-group --build "$2" "deploy/out/$1_${version}_$3$4.deb" >&2
}

for device in "$@"; do
  case $device in
    linux-arm64) arch=arm64 suffix= strip=aarch64-linux-gnu-strip ;;
    linux-x64 | linux-x64-v2) arch=amd64 suffix=${device#linux-x64} strip=strip ;;
    *) echo "Unknown device $device: linux-arm64, linux-x64 or linux-x64-v2." >&2; exit 2 ;;
  esac
  [ "$(dpkg --print-architecture)" != "$arch" ] || strip=strip
  rm -rf "$work"/*
  deploy/publish.sh "$device" "$work/published"
  command -v "$strip" >/dev/null || { echo "$strip is missing. On Debian and Ubuntu: sudo apt-get install binutils binutils-aarch64-linux-gnu" >&2; exit 1; }
  "$strip" --strip-unneeded "$work/published"/*.so

  tree=$work/edge-runtime
  common edge-runtime "$tree"
  install -m 0644 "$work/published"/*.so "$tree/usr/lib/edge-runtime/"
  mkdir -p "$tree"/{lib/systemd/system,etc/edge-runtime,usr/share/doc/edge-runtime/examples}
  install -m 0644 deploy/systemd/edge-runtime.service "$tree/lib/systemd/system/"
  install -m 0644 deploy/config/edge.schema.json "$tree/etc/edge-runtime/"
  install -m 0644 deploy/config/gateway.yaml "$tree/etc/edge-runtime/edge.yaml"
  for sample in gateway jetson raspberry-pi; do
    install -m 0644 "deploy/config/$sample.yaml" "$tree/usr/share/doc/edge-runtime/examples/"
  done
  install -m 0644 README.md "$tree/usr/share/doc/edge-runtime/"
  printf '/etc/edge-runtime/edge.yaml\n/etc/edge-runtime/edge.schema.json\n' >"$tree/DEBIAN/conffiles"
  install -m 0755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$tree/DEBIAN/"
  build edge-runtime "$tree" "$arch" "$suffix"

  tree=$work/edge-quantize
  common edge-quantize "$tree"
  build edge-quantize "$tree" "$arch" "$suffix"
done
