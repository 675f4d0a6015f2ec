#!/usr/bin/env bash
# recordings.sh [SKAB NAB]: what the detector finds on the recordings of SKAB and NAB, each with a model that `edge-quantize train` makes
# of the rows that the benchmark allows: the first 400 of each file, or the first 15 % but at most 750. Settings are the defaults.
# SKAB and NAB are folders with github.com/waico/SKAB and github.com/numenta/NAB: all of their files, and then those that are not in
# ../shared/data. Without them, those that are. Needs a release build of Edge.sln, and ../shared/data beside the repository. Some minutes.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [ $# -ne 0 ] && [ $# -ne 2 ]; then
  echo "Usage: recordings.sh [SKAB NAB]" >&2
  exit 2
fi
root=$(cd "$here/../.." && pwd)
readings=$root/../shared/data/readings
quantize="dotnet $root/src/Edge.Quantize/bin/Release/net10.0/edge-quantize.dll"
runtime="dotnet $root/src/Edge.Runtime/bin/Release/net10.0/edge-runtime.dll"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sensors=(Accelerometer1RMS Accelerometer2RMS Current Pressure Temperature Thermocouple Voltage "Volume Flow RateRMS")
if [ $# -eq 2 ]; then
  skab=("$1"/data/other/*.csv "$1"/data/valve*/*.csv)
  calm_skab=$1/data/anomaly-free/anomaly-free.csv
  nab=("$2"/data/*/*.csv)
  windows=$2/labels/combined_windows.json
else
  skab=("$readings"/skab/*.csv "$readings"/skab-valve2-*.csv)
  calm_skab=$readings/skab-anomaly-free.csv
  nab=("$readings"/nab/*.csv)
  windows=$readings/nab/windows.json
fi

# other-1 of other/1.csv and of other-1.csv.
name() {
  local name
  name=$(basename "$1" .csv)
  case $name in [0-9]*) name=$(basename "$(dirname "$1")")-$name ;; esac
  echo "${name#skab-}"
}

is_shared() { # NAME
  [ -e "$readings/skab/$1.csv" ] || [ -e "$readings/skab-$1.csv" ] || [ -e "$readings/nab/$1.csv" ]
}

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

score() { # TITLE SKIP EVENTS... -- LABELS...: all of them, and those of files that are not in ../shared
  local title=$1 skip=$2 events=() labels=() unseen=() of_unseen=()
  shift 2
  while [ "$1" != -- ]; do events+=("$1"); shift; done
  shift
  labels=("$@")
  echo "$title: ${#events[@]} files"
  $runtime score --events "${events[@]}" --labels "${labels[@]}" --skip "$skip"
  for at in "${!events[@]}"; do
    is_shared "$(basename "${events[at]}" .jsonl)" || { unseen+=("${events[at]}"); of_unseen+=("${labels[at]}"); }
  done
  if [ ${#unseen[@]} -gt 0 ]; then
    echo "$title: the ${#unseen[@]} files that are not in ../shared"
    $runtime score --events "${unseen[@]}" --labels "${of_unseen[@]}" --skip "$skip"
  fi
}

events=()
for file in "${skab[@]}"; do
  calm=$work/$(name "$file")-calm.csv
  head -n 401 "$file" > "$calm"
  train "$work/model.safetensors" "${sensors[@]}" -- "$calm"
  replay "$work/model.safetensors" "$file" "$work/$(name "$file").jsonl"
  events+=("$work/$(name "$file").jsonl")
done
score "SKAB, a model of each file's first 400 rows" 400 "${events[@]}" -- "${skab[@]}"

train "$work/joint.safetensors" "${sensors[@]}" -- "$calm_skab" "$work"/*-calm.csv
for file in "${skab[@]}"; do
  replay "$work/joint.safetensors" "$file" "$work/$(name "$file").jsonl"
done
score "SKAB, one model of the fault-free file and all first 400 rows" 400 "${events[@]}" -- "${skab[@]}"

events=()
labels=()
for file in "${nab[@]}"; do
  rows=$((($(wc -l < "$file") - 1) * 15 / 100))
  head -n $(((rows > 750 ? 750 : rows) + 1)) "$file" > "$work/calm.csv"
  train "$work/model.safetensors" value -- "$work/calm.csv" || continue
  replay "$work/model.safetensors" "$file" "$work/$(name "$file").jsonl"
  jq --arg name "/$(name "$file").csv" 'to_entries[] | select("/" + .key | endswith($name)) | .value' "$windows" \
    > "$work/$(name "$file").json"
  events+=("$work/$(name "$file").jsonl")
  labels+=("$work/$(name "$file").json")
done
score "NAB, a model of each file's first 15 %" nab "${events[@]}" -- "${labels[@]}"
