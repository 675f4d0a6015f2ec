#!/usr/bin/env bash
# recordings.sh: what the detector finds on the recordings of SKAB and NAB, each with a model that `edge-quantize train` makes of the rows
# that the benchmark allows: the first 400 of each file, or the first 15 % but at most 750. Settings are the defaults.
# Needs a release build of Edge.sln, and ../shared/data beside the repository. Some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readings=../shared/data/readings
quantize="dotnet src/Edge.Quantize/bin/Release/net10.0/edge-quantize.dll"
runtime="dotnet src/Edge.Runtime/bin/Release/net10.0/edge-runtime.dll"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sensors=(Accelerometer1RMS Accelerometer2RMS Current Pressure Temperature Thermocouple Voltage "Volume Flow RateRMS")
skab=("$readings"/skab/*.csv "$readings"/skab-valve2-*.csv)

name() { basename "$1" .csv; }

train() { # MODEL COLUMN... -- READINGS...
  local model=$1 columns=()
  shift
  while [ "$1" != -- ]; do columns+=("$1"); shift; done
  shift
  $quantize train "$@" -o "$model" --columns "${columns[@]}" --horizons 1 --cell lstm --hidden 16 --epochs 40 --lags 3 \
    > "$work/train.log" 2>&1 || { tail -n 1 "$work/train.log"; return 1; }
}

replay() { # MODEL READINGS EVENTS
  $runtime replay --model "$1" --data "$2" --output "$3" > "$work/replay.log" 2>&1 || { cat "$work/replay.log"; return 1; }
}

events=()
for file in "${skab[@]}"; do
  calm=$work/$(name "$file")-calm.csv
  head -n 401 "$file" > "$calm"
  train "$work/model.safetensors" "${sensors[@]}" -- "$calm"
  replay "$work/model.safetensors" "$file" "$work/$(name "$file").jsonl"
  events+=("$work/$(name "$file").jsonl")
done
echo "SKAB, a model of each file's first 400 rows"
$runtime score --events "${events[@]}" --labels "${skab[@]}" --skip 400

train "$work/joint.safetensors" "${sensors[@]}" -- "$readings/skab-anomaly-free.csv" "$work"/*-calm.csv
for file in "${skab[@]}"; do
  replay "$work/joint.safetensors" "$file" "$work/$(name "$file").jsonl"
done
echo "SKAB, one model of the fault-free file and all first 400 rows"
$runtime score --events "${events[@]}" --labels "${skab[@]}" --skip 400

events=()
labels=()
for file in "$readings"/nab/*.csv; do
  rows=$((($(wc -l < "$file") - 1) * 15 / 100))
  head -n $(((rows > 750 ? 750 : rows) + 1)) "$file" > "$work/calm.csv"
  train "$work/model.safetensors" value -- "$work/calm.csv" || continue
  replay "$work/model.safetensors" "$file" "$work/$(name "$file").jsonl"
  jq --arg name "/$(name "$file").csv" 'to_entries[] | select("/" + .key | endswith($name)) | .value' "$readings/nab/windows.json" \
    > "$work/$(name "$file").json"
  events+=("$work/$(name "$file").jsonl")
  labels+=("$work/$(name "$file").json")
done
echo "NAB, a model of each file's first 15 %"
$runtime score --events "${events[@]}" --labels "${labels[@]}" --skip nab
