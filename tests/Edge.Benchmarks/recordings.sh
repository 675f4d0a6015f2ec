#!/usr/bin/env bash
# recordings.sh [SKAB NAB]: what the detector finds on the recordings of SKAB and NAB, each with a model that `edge-quantize train` makes
# of the rows that the benchmark allows: the first 400 of each file, or the first 15 % but at most 750. Settings are the defaults. And what
# a plain chart finds that has only these rows, at several limits (ewma_chart.py).
# SKAB and NAB are folders with github.com/waico/SKAB and github.com/numenta/NAB: all of their files, and then those that are not in
# ../shared/data. Without them, those that are. Needs a release build of Edge.sln, python3, jq, and ../shared/data beside the repository.
# Some minutes.
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

chart() { # TITLE SKIP COLUMN... -- READINGS...: reads of_file, the labels of each
  local title=$1 skip=$2 columns=() calm limit join file at
  shift 2
  while [ "$1" != -- ]; do columns+=("$1"); shift; done
  shift
  for join in 1 10 60; do
    for limit in 3 4 5 6 8; do
      local events=() labels=() unseen=() of_unseen=()
      for file in "$@"; do
        at=$(name "$file")
        calm=$skip
        [ "$skip" != nab ] || calm=$(probation "$file")
        python3 "$here/ewma_chart.py" "$file" "$work/chart-$at.jsonl" "$calm" "$limit" "$join" "${columns[@]}"
        events+=("$work/chart-$at.jsonl")
        labels+=("${of_file[$at]}")
        is_shared "$at" || { unseen+=("$work/chart-$at.jsonl"); of_unseen+=("${of_file[$at]}"); }
      done
      summary "$title, chart, limit $limit, joined within $join rows" "${events[@]}" -- "${labels[@]}"
      [ ${#unseen[@]} -eq 0 ] || summary "  of those, the files that are not in ../shared" "${unseen[@]}" -- "${of_unseen[@]}"
    done
  done
}

summary() { # TITLE EVENTS... -- LABELS...: reads skip
  local title=$1 events=()
  shift
  while [ "$1" != -- ]; do events+=("$1"); shift; done
  shift
  $runtime score --events "${events[@]}" --labels "$@" --skip "$skip" --json | jq -r --arg title "$title" \
    'def r(d): . * pow(10; d) | round / pow(10; d);
     "\($title): F1 \(.f1 | r(3)), false \(.false_alarm_rate * 100 | r(1)) %, missed \(.missed_rate * 100 | r(1)) %, "
       + "NAB standard \(.nab_standard | r(1)), few false alarms \(.nab_reward_low_false_alarms | r(1)), "
       + "few misses \(.nab_reward_low_misses | r(1)), \(.false_detections) false openings"'
}

probation() { # READINGS: rows of NAB's probationary period
  local rows=$((($(wc -l < "$1") - 1) * 15 / 100))
  echo $((rows > 750 ? 750 : rows))
}

declare -A of_file
events=()
for file in "${skab[@]}"; do
  of_file[$(name "$file")]=$file
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
chart SKAB 400 "${sensors[@]}" -- "${skab[@]}"

events=()
labels=()
learned=()
for file in "${nab[@]}"; do
  head -n $(($(probation "$file") + 1)) "$file" > "$work/calm.csv"
  train "$work/model.safetensors" value -- "$work/calm.csv" || continue
  replay "$work/model.safetensors" "$file" "$work/$(name "$file").jsonl"
  jq --arg name "/$(name "$file").csv" 'to_entries[] | select("/" + .key | endswith($name)) | .value' "$windows" \
    > "$work/$(name "$file").json"
  events+=("$work/$(name "$file").jsonl")
  labels+=("$work/$(name "$file").json")
  of_file[$(name "$file")]=$work/$(name "$file").json
  learned+=("$file")
done
score "NAB, a model of each file's first 15 %" nab "${events[@]}" -- "${labels[@]}"
chart NAB nab value -- "${learned[@]}"
