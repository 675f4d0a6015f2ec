#!/usr/bin/env bash
# Counts what the inner loops cost on ARM by a model of the processor, beside the C yardstick as gcc compiles it:
#
#   build/arm-cycles.sh [PROGRAM]
#
# PROGRAM is edge-runtime or edge-quantize, published for linux-arm64 with -p:StripSymbols=false; without it edge-quantize is published.
# llvm-mca assumes that everything is in the first-level cache. It has one model for both processors, that of the Cortex-A57: they differ by
# what instructions they have.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
need() { command -v "$1" >/dev/null || { echo "$1 is missing. On Debian and Ubuntu: sudo apt-get install ${*:2}" >&2; exit 1; }; }
need llvm-mca llvm
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
need aarch64-linux-gnu-objdump binutils-aarch64-linux-gnu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
program=${1-$folder/edge-quantize}
if [ $# -eq 0 ]; then
  need clang clang lld
  dotnet publish src/Edge.Quantize -p:PublishProfile=device -r linux-arm64 -p:StripSymbols=false -o "$folder" --nologo -v:q
fi

# loop FILE FUNCTION WHICH: the body of the loop that contains the first instruction matching WHICH.
loop() {
  aarch64-linux-gnu-objdump -d --no-show-raw-insn "$1" | awk -v function_name="$2" -v which="$3" '
    /^[0-9a-f]+ </ { inside = index($0, function_name) > 0 && !found }
    inside && /^ +[0-9a-f]+:/ {
      address = $1; sub(":", "", address)
      line[n] = $0; sub(/^ +[0-9a-f]+:\t/, "", line[n]); at[address] = n; addresses[n] = address
      if (!first && $0 ~ which) first = n + 1
      if (first && $2 ~ /^(b\.|cbn?z)/) {
        split(line[n], part, /[ \t]+/); target = line[n] ~ /^cb/ ? part[3] : part[2]
        if (target in at && at[target] < first) {
          for (i = at[target]; i < n; i++) { sub(/[ \t]*(\/\/|<).*/, "", line[i]); print line[i] }
          found = 1; inside = 0
        }
      }
      n++
    }'
}

# row NAME PROCESSOR PRODUCTS FEATURES: a row of the table for the loop that stands in $folder/loop.s.
row() {
  local report cycles count
  report=$(llvm-mca -mtriple=aarch64 -mcpu="$2" -iterations=1000 -instruction-info=0 -resource-pressure=0 "$folder/loop.s")
  cycles=$(awk '/^Total Cycles/ { print $3 / 1000 }' <<<"$report")
  count=$(grep -c . "$folder/loop.s")
  awk -v n="$1" -v c="$2" -v cycles="$cycles" -v count="$count" -v products="$3" \
    'BEGIN { printf "%-22s %-12s %4d %8d %7.1f %8.2f %8.2f\n", n, c, count, products, cycles, 16 * count / products, 16 * cycles / products }'
}

# sums KERNEL WIDTH: how native code names the method of its sums.
sums() {
  local kernels=Edge_Inference_Edge_Inference_Kernels
  echo "Sums128_3<${kernels}_$1__${kernels}_$2__${kernels}_FourGates>__Add"
}

printf '%-22s %-12s %4s %8s %7s %8s %8s\n' loop processor ins products cycles ins/16 cycles/16
for processor in cortex-a72 cortex-a76; do
  kernel=AdvSimd128
  [ $processor = cortex-a72 ] || kernel=AdvSimdDot128
  instruction='smull|sdot'
  loop "$program" "$(sums $kernel NarrowWidth128)" "$instruction" >"$folder/loop.s"
  row "ours, int8, 16 units" $processor 256
  loop "$program" "$(sums AdvSimd128 WideWidth128)" smull >"$folder/loop.s"
  row "ours, int16, 16 units" $processor 128
  aarch64-linux-gnu-gcc -O3 -mcpu=$processor -c tests/Edge.Benchmarks/Yardstick/gemv.c -o "$folder/gemv.o"
  loop "$folder/gemv.o" '<gemv>' "$instruction" >"$folder/loop.s"
  row "gemv.c, int8, 4 rows" $processor 64
done
