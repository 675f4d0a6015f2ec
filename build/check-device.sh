#!/usr/bin/env bash
# Publishes both programs as for a device and checks what came out, against the Release build of the tests:
#
#   build/check-device.sh [DEVICE [FOLDER]]
#
# DEVICE is that of this machine, or linux-arm64, which QEMU then runs on x86-64. With FOLDER it checks what deploy/publish.sh wrote there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source build/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$1" >&2; exit 1; }
skip() { echo "skipped: $1"; exit 0; }

machine=$(uname -m)
case $machine in
  x86_64) device=${1-linux-x64} ;;
  aarch64) device=${1-linux-arm64} ;;
  *) skip "there is no device build for $machine" ;;
esac
run=()
case $machine/$device in
  x86_64/linux-x64) kernels=(avx2 avxvnni)
    grep -qw avx2 /proc/cpuinfo || skip "this processor has no AVX2, so it cannot run the build for linux-x64" ;;
  x86_64/linux-x64-v2) kernels=(vector128) ;;
  aarch64/linux-arm64) kernels=(advsimd advsimd-dot) ;;
  x86_64/linux-arm64) kernels=(advsimd advsimd-dot)
    command -v qemu-aarch64-static >/dev/null && [ -d /usr/aarch64-linux-gnu/lib ] \
      || skip "to run linux-arm64 here: sudo apt-get install qemu-user-static clang lld gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    run=(qemu-aarch64-static -L /usr/aarch64-linux-gnu) ;;
  *) fail "$device does not run on $machine." ;;
esac

program=${2-}
if [ -z "$program" ]; then
  command -v clang >/dev/null || require_program gcc "gcc libc6-dev"
  program=$work/published
  deploy/publish.sh "$device" "$program" -p:TrimmerSingleWarn=false -p:TreatWarningsAsErrors=false >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  # Warnings of an unchanged program are not given again, so the list may hold more than the log.
  { grep -oE 'warning (IL|CS|CA|NETSDK)[0-9]+: [^:]+' "$work/log" || true; } | sed -E 's/warning (IL[0-9]+): /\1 /' | sort -u >"$work/warnings"
  grep '^IL' build/aot-warnings.txt | sort -u | comm -13 - "$work/warnings" >"$work/new"
  [ ! -s "$work/new" ] || { cat "$work/new"; fail "Warnings that build/aot-warnings.txt does not explain."; }
fi
program=$(cd "$program" && pwd)
du -sh "$program" | cut -f1
# QEMU runs ONNX Runtime in a root for ARM64 only: with -L it crashes.
if [ ${#run[@]} != 0 ]; then
  mkdir "$work/emulated"
  cp "$program"/* "$work/emulated/"
  rm "$work/emulated"/libonnxruntime*.so
  program=$work/emulated
fi
# One path for each program: what runs it, if something must, is in a script.
for name in edge-runtime edge-quantize; do
  printf '#!/bin/sh\nexec %s "$@"\n' "${run[*]} $program/$name" >"$work/$name"
  chmod +x "$work/$name"
done
runtime=$work/edge-runtime
quantize=$work/edge-quantize
jit="dotnet src/Edge.Quantize/bin/Release/net10.0/edge-quantize.dll"

kernel=$("$quantize" bench --json src/Edge.Runtime/Demo/greenhouse.safetensors | /usr/bin/python3 -c '
import json, sys
print(*[kernel["kernel"] for kernel in json.load(sys.stdin) if kernel["in_use"]])')
[[ " ${kernels[*]} " == *" $kernel "* ]] || fail "The published program takes the kernel '$kernel', not one of: ${kernels[*]}."
echo "kernel: $kernel"

# Every kernel of the processor gives the committed outputs and states.
vectors=0
for kernel in $("$quantize" bench --json src/Edge.Runtime/Demo/greenhouse.safetensors | sed -n 's/.*"kernel": "\(.*\)".*/\1/p'); do
  for model in docs/int8-vector/model.safetensors docs/int8-vector/*/model.safetensors; do
    vector=$(dirname "$model")
    "$quantize" infer "$model" --kernel "$kernel" --input "$vector/x.f32" --output "$work/y" --state-out "$work/state" >/dev/null
    # The saved state has a header of 16 bytes and a checksum of 4.
    tail -c +17 "$work/state" | head -c -4 >"$work/values"
    cmp "$work/y" "$vector/y.f32" && cmp "$work/values" "$vector/state.bin" || fail "$kernel gives other bytes for $model."
    vectors=$((vectors + 1))
  done
done
echo "committed vectors: $vectors, the same bytes"

mkdir "$work/aot" "$work/jit"
# The same seed and epochs give the same model, by either compiler.
awk 'BEGIN {
  print "time,level,flow"
  for (i = 0; i < 1200; i++) printf "2026-01-%02dT%02d:%02d:00Z,%.4f,%.4f\n", 1 + int(i / 144), int(i / 6) % 24, i % 6 * 10, sin(i / 9), cos(i / 7) + sin(i / 40)
}' >"$work/rows.csv"
learn=(train "$work/rows.csv" --epochs 3 --hidden 8 --cell lstm --dropout 0 --horizons 1,6)
"$quantize" "${learn[@]}" -o "$work/aot/model.safetensors" >"$work/said"
$jit "${learn[@]}" -o "$work/jit/model.safetensors" >/dev/null
cmp "$work/aot/model.safetensors" "$work/jit/model.safetensors" || fail "The published edge-quantize learns another model."
echo "train: the same model"

shared=${EDGE_SHARED:-../shared}/data
if [ -d "$shared/models" ]; then
  model=$shared/models/etth1-lstm64
  import=(quantize "$model/step.onnx" --manifest "$model/model.json" --calibration "$shared"/readings/ETTh1.csv)
  taskset -c 0 "$quantize" "${import[@]}" -o "$work/aot/model.safetensors" --report "$work/report.html" | tee "$work/said" | grep '^step, one thread'
  $jit "${import[@]}" -o "$work/jit/model.safetensors" >/dev/null
  cmp "$work/aot/model.safetensors" "$work/jit/model.safetensors" || fail "The published edge-quantize quantizes otherwise."
  [ ${#run[@]} != 0 ] || "$quantize" verify-import "$model/sequence.onnx" --input "$model/golden_x.f32" | tail -1
  "$runtime" replay --model "$work/aot/model.safetensors" --data "$shared"/readings/ETTh1.csv --output "$work/aot.jsonl" 2>"$work/log"
  dotnet src/Edge.Runtime/bin/Release/net10.0/edge-runtime.dll replay --model "$work/aot/model.safetensors" \
    --data "$shared"/readings/ETTh1.csv --output "$work/jit.jsonl" >/dev/null 2>&1
  cmp "$work/aot.jsonl" "$work/jit.jsonl" || fail "The published edge-runtime replays otherwise."
  awk 'BEGIN { print "anomaly" } NR > 1 { print NR % 100 == 0 }' "$shared"/readings/ETTh1.csv >"$work/labels.csv"
  "$runtime" score --events "$work/aot.jsonl" --labels "$work/labels.csv" >"$work/aot.score"
  dotnet src/Edge.Runtime/bin/Release/net10.0/edge-runtime.dll score --events "$work/aot.jsonl" --labels "$work/labels.csv" | diff - "$work/aot.score"
  echo "quantize, replay, score: the same bytes"
fi

# After ten seconds the service unmaps what only its start needed, and goes on.
if [ ${#run[@]} = 0 ]; then
  printf 'device: memory\nmqtt: { host: 127.0.0.1, port: 9 }\nstreams:\n  - { name: s, model: demo, period: 100ms, source: { simulated: {} } }\n' \
    >"$work/memory.yaml"
  "$program/edge-runtime" run --config "$work/memory.yaml" 2>"$work/log" &
  service=$!
  file_pages() { awk '/^RssFile/ { print $2 }' "/proc/$service/status"; }
  sleep 8
  before=$(file_pages)
  sleep 8
  after=$(file_pages)
  kill -TERM "$service"
  wait "$service" || { cat "$work/log"; fail "The service did not end well after its pages were unmapped."; }
  [ "$after" -lt $((before - 3000)) ] || fail "Of $before kB of file pages the service has unmapped too few: $after kB are left."
  echo "file pages: $before kB after the start, $after kB from then on"
fi

# The service by tests of the whole program: payloads, page, metrics, ONNX Runtime, state. Others can run so, too: docs/tests.md.
tests='SameEverywhereTests TelemetryTests LiveSensorTests WebServerTests.Beyond PageTests.A_service ExportTests'
[ ${#run[@]} != 0 ] || tests+=' OnnxServiceTests.Killed'
EDGE_PROGRAM=$runtime dotnet test tests/Edge.EndToEnd.Tests -c Release --no-build --nologo \
  --filter "$(printf 'FullyQualifiedName~.%s|' $tests | sed 's/|$//')"
