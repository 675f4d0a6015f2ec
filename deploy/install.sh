#!/usr/bin/env bash
# Installs, upgrades or removes the service on Raspberry Pi OS, Debian, Ubuntu or JetPack:
#
#   sudo deploy/install.sh --from DIR     DIR is the output of deploy/publish.sh (default: publish here, for this machine)
#   sudo deploy/install.sh --uninstall    removes the program; configuration and state stay
#   sudo deploy/install.sh --purge        removes configuration and state too
#
# Run it again to upgrade: the configuration stays, and the service continues where it stopped. --root DIR installs into
# another root, such as an image; the service is then not started.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=
from=
action=install
while [ $# -gt 0 ]; do
  case $1 in
    --from) from=$(cd "$2" && pwd); shift 2 ;;
    --root) root=${2%/}; shift 2 ;;
    --uninstall) action=uninstall; shift ;;
    --purge) action=purge; shift ;;
    *) echo "Unknown option $1. See the head of $0." >&2; exit 2 ;;
  esac
done

fail() { echo "$1" >&2; exit 1; }
has_systemd() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

program=$root/usr/lib/edge-runtime
unit=$root/lib/systemd/system/edge-runtime.service
[ -d "$root/usr/lib/systemd/system" ] && unit=$root/usr/lib/systemd/system/edge-runtime.service
config=$root/etc/edge-runtime
state=$root/var/lib/private/edge-runtime

[ "$(id -u)" = 0 ] || fail "This needs root. Run: sudo $0"

if [ "$action" != install ]; then
  if has_systemd; then systemctl disable --now edge-runtime.service 2>/dev/null || true; fi
  rm -rf "$program" "$unit" "$root/usr/bin/edge-runtime" "$root/usr/bin/edge-quantize"
  if [ "$action" = purge ]; then rm -rf "$config" "$state" "$root/var/lib/edge-runtime"; fi
  if has_systemd; then systemctl daemon-reload; fi
  echo "edge-runtime is removed$([ "$action" = purge ] && echo ", configuration and state too")."
  exit 0
fi

case $(uname -m) in
  aarch64 | arm64) device=linux-arm64 ;;
  x86_64) if grep -qw avx2 /proc/cpuinfo; then device=linux-x64; else device=linux-x64-v2; fi ;;
  *) fail "This processor ($(uname -m)) is not supported: a 64-bit ARM or Intel system is needed. On a Raspberry Pi, install the 64-bit system." ;;
esac

if [ -z "$from" ]; then
  command -v dotnet >/dev/null || fail "There is no .NET SDK to build with. Publish on another machine (docs/operations.md) and name the folder: $0 --from DIR"
  from=$(mktemp -d)
  "$here/publish.sh" "$device" "$from"
fi
for name in edge-runtime edge-quantize; do
  [ -x "$from/$name" ] || fail "$from has no program $name. It must be the output of 'deploy/publish.sh $device'."
done

# Copies the new program next to the old one, then replaces it: a power cut leaves one of them, complete.
mkdir -p "$(dirname "$program")" "$root/usr/bin" "$(dirname "$unit")" "$config"
rm -rf "$program.new"
cp -a "$from" "$program.new"
chown -R root:root "$program.new"
chmod -R go-w "$program.new"
sync -f "$(dirname "$program")"
rm -rf "$program.old"
[ -e "$program" ] && mv "$program" "$program.old"
mv "$program.new" "$program"
rm -rf "$program.old"
for name in edge-runtime edge-quantize; do ln -sfn "../lib/edge-runtime/$name" "$root/usr/bin/$name"; done
install -m 0644 "$here/systemd/edge-runtime.service" "$unit"

install -m 0644 "$here/config/edge.schema.json" "$config/edge.schema.json"
if [ ! -e "$config/edge.yaml" ]; then
  sample=gateway
  grep -qs "Raspberry Pi" /proc/device-tree/model && sample=raspberry-pi
  grep -qs -i jetson /proc/device-tree/model && sample=jetson
  install -m 0644 "$here/config/$sample.yaml" "$config/edge.yaml"
  echo "A sample configuration for this machine is in $config/edge.yaml."
fi

# systemd reads the passwords as credentials; a file is empty if there is no password.
for name in mqtt-password page-password; do
  [ -e "$config/$name" ] || install -m 0600 /dev/null "$config/$name"
done

# The unit needs these groups; on a machine without I2C or GPIO they have no members.
for group in i2c gpio; do
  if [ -n "$root" ]; then
    chroot "$root" getent group "$group" >/dev/null || chroot "$root" groupadd --system "$group"
  else
    getent group "$group" >/dev/null || groupadd --system "$group"
  fi
done

if [ -z "$root" ] && ! ls /dev/i2c-* >/dev/null 2>&1; then
  if command -v raspi-config >/dev/null; then
    echo "I2C is off. If you have I2C sensors: sudo raspi-config nonint do_i2c 0, and restart."
  elif [ -d /sys/bus/i2c/devices ] && [ -n "$(ls /sys/bus/i2c/devices 2>/dev/null)" ]; then
    echo "There are I2C buses but no device files. If you have I2C sensors: sudo modprobe i2c-dev; echo i2c-dev | sudo tee /etc/modules-load.d/i2c-dev.conf"
  fi
fi

if has_systemd; then
  systemctl daemon-reload
  if systemctl is-active --quiet edge-runtime.service; then
    systemctl restart edge-runtime.service
    echo "edge-runtime is upgraded and running: $("$program/edge-runtime" --version)"
  else
    echo "edge-runtime $("$program/edge-runtime" --version) is installed. Next: edge-runtime sensors; edit /etc/edge-runtime/edge.yaml; edge-runtime check --config /etc/edge-runtime/edge.yaml; sudo systemctl enable --now edge-runtime"
  fi
else
  echo "edge-runtime is installed in ${root:-/}; systemd is not running, so it was not started."
fi
