#!/usr/bin/env bash
# Writes build/edge-runtime.order: the methods of edge-runtime that the service runs, from its start to its stop. The compiler for native code
# puts them side by side, so that a device reads and keeps fewer pages of the program (docs/performance.md#device). Names that a later program
# lacks are skipped, and methods that the file lacks come after the others: run it again when the memory of `-- device` has grown.
#
# On x86-64, with Debian's qemu-user-static, which logs each piece of code when it is run first, mosquitto and curl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "$1" >&2; exit 1; }
[ "$(uname -m)" = x86_64 ] || fail "build/order.sh runs on x86-64 only: the other devices use the same file."
for program in qemu-x86_64-static mosquitto curl nm python3; do
  PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || fail "$program is missing. On Debian: sudo apt-get install qemu-user-static mosquitto curl binutils python3"
done
work=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

dotnet publish src/Edge.Runtime -p:PublishProfile=device -r linux-x64 -p:StripSymbols=false -p:NativeOutputPath="$work/native/" \
  -o "$work/program" --nologo -v:q

read -r broker page < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[each.getsockname()[1] for each in sockets])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$broker" >"$work/mosquitto.conf"
PATH="$PATH:/usr/sbin" mosquitto -c "$work/mosquitto.conf" >/dev/null 2>&1 &
started+=($!)
chip=$work/sys/class/hwmon/hwmon0
mkdir -p "$chip"
echo bench >"$chip/name"
( while sleep 0.1; do for i in 0 1 2 3; do echo $((25000 + RANDOM % 200)) >"$chip/in$i.new"; mv "$chip/in$i.new" "$chip/in${i}_input"; done; done ) &
started+=($!)
cat >"$work/edge.yaml" <<YAML
device: bench
state: $work/state
sysfs: $work/sys
mqtt: { host: 127.0.0.1, port: $broker, discovery: homeassistant }
web: { listen: 127.0.0.1:$page }
commands: [silence]
streams:
  - name: live
    model: demo
    period: 100ms
    channels:
      temperature: { hwmon: { chip: bench, input: in0 } }
      humidity: { hwmon: { chip: bench, input: in1 } }
      light: { hwmon: { chip: bench, input: in2 } }
      co2: { hwmon: { chip: bench, input: in3 } }
  - name: simulated
    model: demo
    period: 100ms
    source: { simulated: { faults: [ { at: 20s, duration: 5s, kind: bias, channel: temperature } ] } }
YAML
# The collector reserves less than the 256 GB that an emulator would map.
DOTNET_EnableDiagnostics=0 DOTNET_GCHeapHardLimit=0x10000000 qemu-x86_64-static -cpu max -d in_asm -D "$work/code.log" \
  "$work/program/edge-runtime" run --config "$work/edge.yaml" 2>"$work/service.log" &
service=$!
started+=($service)
sleep 60
curl -fsS "http://127.0.0.1:$page/" -o "$work/page.html" || { cat "$work/service.log"; fail "The service does not answer."; }
timeout 10 curl -fsSN "http://127.0.0.1:$page/api/live" -o "$work/events" || true
kill -TERM "$service"
wait "$service" || { cat "$work/service.log"; fail "The service did not end well."; }

python3 - "$work/program/edge-runtime" "$work/code.log" >"$work/order" <<'PYTHON'
import bisect, re, subprocess, sys
BASE = 0x4000000000   # where qemu-x86_64 loads a program that may lie anywhere
program, log = sys.argv[1:]
sections = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout
begin, size = (int(part, 16) for part in re.search(r"__managedcode\s+PROGBITS\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)", sections).groups())
names = {}
for line in subprocess.run(["nm", "--defined-only", program], capture_output=True, text=True, check=True).stdout.splitlines():
    fields = line.split()
    if len(fields) == 3 and begin <= int(fields[0], 16) < begin + size:
        names.setdefault(int(fields[0], 16), []).append(fields[2])
starts = sorted(names)
run = set()
for line in open(log):
    block = re.match(r"0x([0-9a-f]+):  ", line)
    if block and begin <= (at := int(block[1], 16) - BASE) < begin + size:
        run.update(names[starts[bisect.bisect_right(starts, at) - 1]])
print(*sorted(run), sep="\n")
PYTHON
[ "$(wc -l <"$work/order")" -gt 3000 ] || fail "Only $(wc -l <"$work/order") methods were seen: that is not a whole run."
mv "$work/order" build/edge-runtime.order
wc -l build/edge-runtime.order
