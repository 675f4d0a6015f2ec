#!/usr/bin/env bash
# Creates the files for deploy/compose.yaml: a certificate authority, the broker's certificate, passwords, and an edge.yaml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
secrets=mosquitto/secrets
if [ -e "$secrets/passwords" ]; then
  echo "$secrets exists; remove it to make new secrets." >&2
  exit 0
fi
umask 077
mkdir -p "$secrets"
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=edge broker authority" -keyout "$secrets/ca.key" -out "$secrets/ca.crt" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=mosquitto" -addext "subjectAltName=DNS:mosquitto,DNS:localhost,DNS:$(hostname)" -keyout "$secrets/server.key" -out "$secrets/server.csr" 2>/dev/null
openssl x509 -req -in "$secrets/server.csr" -CA "$secrets/ca.crt" -CAkey "$secrets/ca.key" -CAcreateserial -days 3650 -copy_extensions copy -out "$secrets/server.crt" 2>/dev/null
rm "$secrets/server.csr"
: >"$secrets/passwords"
for user in edge homeassistant; do
  openssl rand -hex 16 | tr -d '\n' >"$secrets/$user.password"
  mosquitto_passwd -b "$secrets/passwords" "$user" "$(cat "$secrets/$user.password")" 2>/dev/null \
    || docker run --rm -v "$PWD/$secrets:/secrets" eclipse-mosquitto:2.0.22 mosquitto_passwd -b /secrets/passwords "$user" "$(cat "$secrets/$user.password")"
done
# The broker and the service run under their own users inside their containers: each secret is readable by its user alone.
give() { # UID FILE...
  local user=$1 file
  shift
  for file in "$@"; do
    chmod 0400 "$secrets/$file"
    chown "$user:$user" "$secrets/$file" 2>/dev/null \
      || docker run --rm -v "$PWD/$secrets:/secrets" eclipse-mosquitto:2.0.22 chown "$user:$user" "/secrets/$file"
  done
}
chmod 0711 "$secrets"
chmod 0644 "$secrets/ca.crt" "$secrets/server.crt"
homeassistant_password=$(cat "$secrets/homeassistant.password")
give 1883 server.key passwords
give 10001 edge.password
mkdir -p models
chmod 0755 models
if [ ! -e config/edge.yaml ]; then
  sed -e 's/^  host: .*/  host: mosquitto/' -e 's/^  # tls: /  tls: /' -e 's/^  # username: .*/  username: edge/' \
    -e 's|^  # password: .*|  password: { file: /etc/edge-runtime/mqtt-password }|' config/raspberry-pi.yaml >config/edge.yaml
fi
echo "Home Assistant's password for the broker (user homeassistant): $homeassistant_password"
