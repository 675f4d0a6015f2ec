#!/bin/bash
# Runs edge-runtime with the options of the add-on, or with an edge.yaml of the user. The folders are those that the Supervisor mounts.
set -euo pipefail
data=${EDGE_DATA:-/data}
own=${EDGE_CONFIG:-/config}/edge.yaml
supervisor=${EDGE_SUPERVISOR:-http://supervisor}
health=${EDGE_HEALTH:-0.0.0.0:9464}
page=${EDGE_PAGE:-0.0.0.0:8080}
umask 077
fail() { echo "$1" >&2; exit 1; }
option() { jq -er --arg name "$1" '.[$name] // empty' "$data/options.json"; }

# The broker and its password, as the MQTT add-on has told the Supervisor. The token stays out of the arguments, which others can read.
mqtt=$(curl -sS --fail --max-time 30 --config - "$supervisor/services/mqtt" <<<"header = \"Authorization: Bearer ${SUPERVISOR_TOKEN:-}\"") \
  || fail "The Supervisor names no MQTT broker. Install the add-on Mosquitto broker and the MQTT integration, then start this again."
broker() { jq -r --arg name "$1" '.data[$name] // empty' <<<"$mqtt"; }
MQTT_HOST=$(broker host)
MQTT_PORT=$(broker port)
MQTT_USERNAME=$(broker username)
export MQTT_HOST MQTT_PORT MQTT_USERNAME
[ -n "$MQTT_HOST" ] || fail "The Supervisor's answer names no MQTT broker. Restart the add-on Mosquitto broker, then this."
broker password >"$data/mqtt-password"

if [ -f "$own" ]; then
  echo "Using edge.yaml of the add-on's folder; the options are not used."
  exec edge-runtime run --config "$own"
fi

[ -z "$(ls /dev/i2c-* 2>/dev/null)" ] || edge-runtime sensors || true
{
  echo "device: $(option device)"
  echo "state: $data/state"
  echo "mqtt:"
  echo "  host: $MQTT_HOST"
  echo "  port: $MQTT_PORT"
  if [ -n "$MQTT_USERNAME" ]; then
    echo "  username: $(jq -n --arg text "$MQTT_USERNAME" '$text')"
    echo "  password: { file: $data/mqtt-password }"
  fi
  if [ "$(broker ssl)" = true ]; then echo "  tls: {}"; elif [ -n "$MQTT_USERNAME" ]; then echo "  plaintext_password: allowed"; fi
  echo "  discovery: homeassistant"
  echo "telemetry: { listen: '$health' }"
  if option page_password >"$data/page-password"; then
    echo "web: { listen: '$page', password: { file: $data/page-password } }"
  fi
  echo "streams:"
  echo "  - name: $(option stream)"
  echo "    period: $(option period)"
  echo "    learn: { after: $(option learn_after) }"
  echo "    channels:"
  jq -r '.channels[] | gsub("\n"; " ") | "      " + .' "$data/options.json"
} >"$data/edge.yaml"
exec edge-runtime run --config "$data/edge.yaml"
