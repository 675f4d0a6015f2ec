#!/usr/bin/env bash
# Publishes the program and makes a Debian package of it:
#
#   deploy/build-deb.sh linux-arm64 [linux-x64 ...]     -> deploy/out/edge-runtime_VERSION_ARCH.deb
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
[ $# -gt 0 ] || { echo "Name a target: $0 linux-arm64 or linux-x64" >&2; exit 2; }
mkdir -p deploy/out
for rid in "$@"; do
  case $rid in
    linux-arm64) arch=arm64 ;;
    linux-x64) arch=amd64 ;;
    *) echo "Unknown: $rid" >&2; exit 2 ;;
  esac
  tree=$(mktemp -d)
  trap 'rm -rf "$tree"' EXIT
  chmod 0755 "$tree"
  dotnet publish src/Edge.Runtime -p:PublishProfile=device -r "$rid" -o "$tree/usr/lib/edge-runtime" -v:q
  rm -f "$tree"/usr/lib/edge-runtime/*.xml
  # Removes SQLite's symbols. A cross build needs the strip of the other processor, or keeps the symbols.
  { [ "$rid" = linux-arm64 ] && [ "$(uname -m)" != aarch64 ] && aarch64-linux-gnu-strip "$tree/usr/lib/edge-runtime/libe_sqlite3.so" 2>/dev/null; } \
    || strip "$tree/usr/lib/edge-runtime/libe_sqlite3.so" 2>/dev/null || true
  find "$tree/usr/lib/edge-runtime" -type f ! -name edge-runtime -exec chmod 0644 {} +
  chmod 0755 "$tree/usr/lib/edge-runtime/edge-runtime"
  mkdir -p "$tree"/{DEBIAN,usr/bin,lib/systemd/system,etc/edge-runtime,usr/share/doc/edge-runtime/examples,usr/share/man/man1,usr/share/lintian/overrides}
  gzip -9n <deploy/debian/edge-runtime.1 >"$tree/usr/share/man/man1/edge-runtime.1.gz"
  install -m 0644 deploy/debian/lintian-overrides "$tree/usr/share/lintian/overrides/edge-runtime"
  ln -s ../lib/edge-runtime/edge-runtime "$tree/usr/bin/edge-runtime"
  install -m 0644 deploy/systemd/edge-runtime.service "$tree/lib/systemd/system/"
  install -m 0644 deploy/config/edge.schema.json "$tree/etc/edge-runtime/"
  install -m 0644 deploy/config/gateway.yaml "$tree/etc/edge-runtime/edge.yaml"
  install -m 0644 deploy/config/*.yaml "$tree/usr/share/doc/edge-runtime/examples/"
  rm -f "$tree/usr/share/doc/edge-runtime/examples/edge.yaml"
  install -m 0644 README.md "$tree/usr/share/doc/edge-runtime/"
  install -m 0644 deploy/debian/copyright "$tree/usr/share/doc/edge-runtime/"
  printf 'edge-runtime (%s) stable; urgency=medium\n\n  * See README.md.\n\n -- The Edge Runtime authors <edge-runtime@localhost>  Sat, 21 Nov 2026 00:00:00 +0000\n' "$version" \
    | gzip -9n >"$tree/usr/share/doc/edge-runtime/changelog.gz"
  printf '/etc/edge-runtime/edge.yaml\n/etc/edge-runtime/edge.schema.json\n' >"$tree/DEBIAN/conffiles"
  sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$(du -sk "$tree" | cut -f1)/" deploy/debian/control >"$tree/DEBIAN/control"
  install -m 0755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$tree/DEBIAN/"
  dpkg-deb --root-owner-group --build "$tree" "deploy/out/edge-runtime_${version}_${arch}.deb"
  rm -rf "$tree"
done
